"""The pictures of docs/tour.md can be made, and are those that it shows."""

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from playwright.sync_api import Page

from tests.e2e.server import ROOT, Server

TOUR = ROOT / "docs/tour.md"


@pytest.fixture(scope="module")
def pictures() -> ModuleType:
    """docs/tour/pictures.py, which is no package."""
    spec = importlib.util.spec_from_file_location("pictures", ROOT / "docs/tour/pictures.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tour_shows_every_picture_and_the_readme_two(pictures: ModuleType) -> None:
    made = {f"tour/{stop.name}.png" for stop in pictures.STOPS}
    assert set(re.findall(r"!\[.*?\]\((.*?)\)", TOUR.read_text())) == made
    assert {f"tour/{path.name}" for path in (ROOT / "docs/tour").glob("*.png")} == made
    shown = re.findall(r"!\[.*?\]\(docs/(tour/.*?\.png)\)", (ROOT / "README.md").read_text())
    assert len(shown) == 2
    assert set(shown) <= made


def test_every_picture_can_be_made(
    pictures: ModuleType, own_server: Callable[..., Server], visit: Callable[..., Page], tmp_path: Path
) -> None:
    server = own_server()
    file = tmp_path / "stock.yaml"
    file.write_text(str(pictures.STOCK))
    server.command("register", "stock", "--route", "/stock", "--file", str(file))
    event = pictures.make_calls(server)
    page = visit(server, "admin")
    for stop in pictures.STOPS:
        pictures.take(page, stop, event, tmp_path)
        assert (tmp_path / f"{stop.name}.png").stat().st_size > 10_000, stop.name

"""Tests whose input is the whole repository: what holds for every file, setting and endpoint."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from registry.models import RoutingEvent
from tests.longest import SECONDS

ROOT = Path(__file__).resolve().parent.parent
TRACKED = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
).stdout.split()
TOP_LEVEL = {
    ".ci", ".gitignore", "CHANGELOG.md", "LICENSE", "README.md", "agents", "benchmarks", "config", "dashboard", "docs",
    "manage.py", "pyproject.toml", "registry", "requirements-dev.in", "requirements-dev.txt", "requirements.in",
    "requirements.txt", "static", "templates", "tests",
}  # fmt: skip
# Names of the hosts that packages come from, put together so that this file does not have them.
REGISTRY_HOSTS = [f"{host}.{domain}" for host, domain in [("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org")]]


def run(tool: str, *arguments: str) -> None:
    """Run a tool that is installed beside Python; its output is the failure's message."""
    command = [str(Path(sys.executable).with_name(tool)), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_house_is_as_drawn():
    assert {name.partition("/")[0] for name in TRACKED} <= TOP_LEVEL


def test_code_is_clean():
    run("ruff", "check", ".")
    run("ruff", "format", "--check", ".")
    run("djade", "--check", "--target-version", "5.2", *(name for name in TRACKED if name.endswith(".html")))


def test_types_hold():
    run("mypy", "agents", "registry", "dashboard", "config")


def test_imports_go_one_way():
    run("lint-imports")


def test_every_setting_is_documented_and_every_documented_setting_exists():
    code = "".join(path.read_text() for path in [*(ROOT / "config").rglob("*.py"), *(ROOT / "registry").rglob("*.py")])
    read = set(re.findall(r"env(?:iron)?\.?\w*\(\s*\"([A-Z_]+)\"", code))
    read |= set(re.findall(r"environ(?:\.get\(|\[)\"([A-Z_]+)\"", code))
    internal = {
        "SWITCHBOARD_EMBEDDED", "SWITCHBOARD_REPLICA", "SWITCHBOARD_RUN", "DJANGO_SETTINGS_MODULE", "XDG_RUNTIME_DIR",
        "HOME", "PATH",
    }  # fmt: skip
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE))
    assert documented == read - internal


def test_no_file_names_the_host_of_a_package_registry():
    for name in TRACKED:
        text = (ROOT / name).read_text(errors="replace")
        assert not [host for host in REGISTRY_HOSTS if host in text], name


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned_with_its_hash(name):
    for requirement in re.split(r"\n(?=\S)", (ROOT / name).read_text().strip()):
        assert re.match(r"[a-z0-9.-]+(\[[a-z,]+\])?==\S+", requirement), requirement
        assert "--hash=sha256:" in requirement, requirement


def test_ci_runs_the_test_command_of_the_readme():
    command = "python3 manage.py test"
    assert f"    {command}\n" in (ROOT / "README.md").read_text()
    assert (ROOT / ".ci/run").read_text().rstrip().endswith(f"\n{command}")


def test_links_between_the_documents_lead_somewhere():
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_migrations_import_no_code_of_ours_and_have_names():
    for path in [*ROOT.glob("*/migrations/0*.py")]:
        assert not re.search(r"^(from|import) (agents|registry|dashboard|config)\b", path.read_text(), re.MULTILINE), (
            path
        )
        assert not re.search(r"\d{4}_(auto|alter|initial|remove|add)_", path.name), path


@pytest.mark.django_db
def test_migrations_are_complete():
    from django.core.management import call_command

    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def test_the_files_that_take_longest_are_there():
    assert [name for name in SECONDS if not (ROOT / name).exists()] == []


def test_tests_skip_nothing():
    marks = re.compile(r"pytest\.(skip|importorskip|mark\.(skip|skipif|xfail))\b")
    for path in (ROOT / "tests").rglob("*.py"):
        if path.name != "test_repository.py":
            assert not marks.search(path.read_text()), path


@pytest.mark.django_db
def test_the_unmanaged_model_of_the_routing_log_is_its_table():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE table_name = %s",
            [RoutingEvent._meta.db_table],
        )
        table = {name: (kind, nullable == "YES") for name, kind, nullable in cursor.fetchall()}
    fields = RoutingEvent._meta.concrete_fields
    assert table == {field.column: (field.db_type(connection), field.null) for field in fields}

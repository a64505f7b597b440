"""`manage.py test` with TESTS_AT_ONCE: several pytests that share the work."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from config import testing
from config.management.commands import test as command

# Stands for pytest: claims files as config/testing.py does, and ends with the code that one of them says.
STAND_IN = """
import json, os, pathlib, sys, time
claims = pathlib.Path(os.environ["TESTS_CLAIMS"])
worst = 5
for name, code in json.loads(sys.argv[1]).items():
    try:
        (claims / name).touch(exist_ok=False)
    except FileExistsError:
        continue
    print("ran", name, flush=True)
    worst = code
    time.sleep(0.5)
sys.exit(worst)
"""


def items(*names: str) -> list[pytest.Item]:
    return [SimpleNamespace(nodeid=name) for name in names]  # type: ignore[misc]


def test_each_file_is_run_once_by_somebody_and_slow_ones_first(tmp_path: Path) -> None:
    tests = items("tests/a.py::one", "tests/a.py::two[x]", "tests/e2e/b.py::three", "tests/c.py::four")
    first = testing.claimed(tests, tmp_path)
    second = testing.claimed(tests, tmp_path)
    assert next(first).nodeid == "tests/e2e/b.py::three"
    assert [next(second).nodeid, next(second).nodeid] == ["tests/a.py::one", "tests/a.py::two[x]"]
    assert [test.nodeid for test in first] == ["tests/c.py::four"]
    assert list(second) == []
    assert list(testing.claimed(tests, tmp_path)) == []


@pytest.mark.parametrize(
    ("codes", "ends"), [({"a": 0, "b": 0}, 0), ({"a": 0, "b": 1}, 1), ({"a": 0}, 0), ({"a": 3, "b": 1}, 3), ({}, 5)]
)
def test_it_ends_as_the_worst_of_them(
    codes: dict[str, int], ends: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "PYTEST", [sys.executable, "-c", STAND_IN, json.dumps(codes)])
    assert command.run_at_once(2) == ends
    printed = capfd.readouterr().out
    assert [printed.count(f"ran {name}") for name in codes] == [1] * len(codes)
    assert f"{len(codes)} files of tests in 2 processes" in printed
    assert ("all passed" in printed) == (ends == 0)

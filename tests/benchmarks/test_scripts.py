"""Every script of benchmarks/ runs: each in its form of seconds, as a process, to its end and with all its figures."""

import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.test_plugin import UNSAFE_BUT_FAST, data_dir
from tests.benchmarks.forks import BENCHMARKS, TEMPLATE
from tests.config.processes import wait_for
from tests.e2e import commands

SOURCES = {path.name: path.read_text() for path in sorted(BENCHMARKS.glob("*.py"))}
PROGRAMS = [name for name, text in SOURCES.items() if 'if __name__ == "__main__":' in text]
# Those that another one starts are run by that one.
STARTED = [name for name in PROGRAMS if any(f'"{name}"' in text for text in SOURCES.values())]
SCRIPTS = [name for name in PROGRAMS if name not in STARTED]
SECONDS = 240
# What a script says besides its figures when it has done all it is for; one that is not here has only figures.
SAID = {
    "apply.py": ["plan: all new .* s$", "apply: all restored .* s$"],
    "dispatch.py": ["^SWAIG, small: planned ", "Ordered by: internal time"],
    "fleet.py": [
        "^## Agents", "^## Bodies", "^## Connections", "^## The log on and off", "^## Latency at half load",
        "^## Start", "^## Registering", "^## Goals", "^date: 20", "^machine: ", "^bare figure: ",
        r"^\| SWAIG +\| captured +\| SDK ",
    ],
    "guard.py": ["nothing was kept", "DEARER$", "^1 figures, none of them changed$"],
    "log_live.py": [r"\b0 +0 +0 +\d+ +[\d.]+ +[\d.]+ +\d+ (met|MISSED)$"],
    "log_queries.py": ["^count per outcome, last day ", "^since a moment, count of all rows"],
    "log_storage.py": ["^captured .* EXTENDED ", "^captured .* EXTERNAL "],
    "log_writer.py": ["^500 B, two processes .* exact ", "^1.5 kB, one writer, steady 10,000/s .* exact "],
    "python_agents.py": [r"^\| SWAIG \| remote agent here ", r"^\| SWML  \| Python agent here ", "^machine: "],
    "rolling_restart.py": ["^no failed call$"],
}  # fmt: skip


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """A data folder whose database has all tables, and has stopped."""
    folder = data_dir / "benchmarks"
    folder.mkdir()
    environment = {**os.environ, "DATA_DIR": str(folder)}
    code, out, err = commands.run(("migrate", "--verbosity", "0"), {**environment, "DATABASE_URL": ""})
    assert code == 0, out + err
    process = folder / "postgres" / "postmaster.pid"
    wait_for(lambda: not process.exists())
    with (folder / "postgres" / "postgresql.conf").open("a") as file:
        file.writelines(f"{setting}\n" for setting in re.findall(r"-c (\S+)", UNSAFE_BUT_FAST))
    return folder


def figures_of(name: str, file: Path) -> dict[str, Any]:
    """What a script has written for guard.py, after a look whether it can be."""
    run: dict[str, Any] = json.loads(file.read_text())
    assert (run["script"], run["quick"]) == (name, True)
    assert run["bare"] > 0
    for figure, found in run["figures"].items():
        assert math.isfinite(found["value"]), figure
        assert found["value"] >= 0, figure
        assert found["unit"], figure
        assert found["bare"] is None or found["bare"] > 0, figure
    return dict(run["figures"])


def test_nothing_is_left_out():
    assert len(SCRIPTS) > 9
    assert set(SAID) <= set(SCRIPTS)
    for name in SCRIPTS:
        assert "options.read(" in SOURCES[name], f"{name} has no --quick: see benchmarks/options.py"


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_runs_in_seconds_with_all_its_figures(name: str, template: Path, tmp_path: Path) -> None:
    # Whatever is set where it runs is not for it.
    unlike = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing", "PUBLIC_URL": "https://elsewhere.example"}
    unlike |= {"SWML_BASIC_AUTH_PASSWORD": "another", "PGHOST": "nowhere.example", "LOG_FSYNC": "yes"}
    environment = {**os.environ, **unlike, TEMPLATE: str(template)}
    arguments = (str(BENCHMARKS / name), "--quick", "--json", str(tmp_path / "figures.json"))
    process = commands.Process(arguments, environment)
    code = process.wait(SECONDS)
    out, err = ((process.folder / stream).read_text() for stream in ("out", "err"))
    assert code == 0, out + err
    assert figures_of(name, tmp_path / "figures.json")
    for wanted in SAID.get(name, []):
        assert re.search(wanted, out, re.MULTILINE), f"{wanted}: {out}"

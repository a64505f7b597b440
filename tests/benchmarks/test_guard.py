"""benchmarks/guard.py: what it says of runs that are made up, and what it keeps."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import guard  # of benchmarks/
import pytest

MACHINE = {"date": "2026-01-02 03:04 UTC", "machine": "2 cores, Abacus", "python": "3.11.7"}
Guard = Callable[..., bool]


def run(script: str = "fleet.py", *, quick: bool = False, bare: float = 50, **figures: Any) -> dict[str, Any]:
    """A run as a script writes it; a figure is its value and whatever of it is unusual."""
    found = {}
    for name, figure in figures.items():
        value, rest = figure if isinstance(figure, tuple) else (figure, {})
        usual = {"unit": "µs", "bare": bare, "more_is_better": False, "judged": True}
        found[name] = {"value": value, **usual, **rest}
    return {"script": script, "quick": quick, "machine": MACHINE, "bare": bare, "figures": found, "rows": None}


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "kept.json"


@pytest.fixture
def judge(tmp_path: Path, kept: Path) -> Guard:
    """Whether the guard lets these runs pass."""

    def judge(*runs: dict[str, Any], keep: bool = False, share: float = guard.SHARE, everything: bool = False) -> bool:
        files = []
        for number, made in enumerate(runs):
            files.append(tmp_path / f"run-{number}.json")
            files[-1].write_text(json.dumps(made))
        wanted = argparse.Namespace(kept=kept, keep=keep, share=share, all=everything)
        return bool(guard.guard([guard.read(file) for file in files], wanted))

    return judge


def test_what_became_dearer_by_more_than_a_tenth_is_said_and_does_not_pass(
    judge: Guard, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judge(run(swml=100, swaig=100, other=100), keep=True)
    capsys.readouterr()
    assert not judge(run(swml=109, swaig=112, other=80))
    lines = [line.split("|") for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    rows = {cells[1].strip(): [cell.strip() for cell in cells[2:-1]] for cells in lines}
    assert rows["swaig"] == ["µs", "100", "112", "2", "2.24", "+12%", "DEARER"]
    assert rows["other"][-2:] == ["-20%", "cheaper"]
    assert "swml" not in rows


def test_only_what_a_figure_is_to_the_bare_one_of_its_own_run_counts(judge: Guard) -> None:
    assert judge(run(bare=50, swml=100), keep=True)
    assert judge(run(bare=100, swml=200)), "the machine was half as fast"
    assert not judge(run(bare=25, swml=75)), "the machine was twice as fast, and ours took less less time"


def test_of_some_figures_more_is_better(judge: Guard) -> None:
    rate: dict[str, Any] = {"more_is_better": True}
    assert judge(run(rps=(1000, rate)), keep=True)
    assert judge(run(rps=(2000, rate)))
    assert not judge(run(rps=(800, rate)))


def test_what_is_counted_needs_no_bare_figure(judge: Guard) -> None:
    queries: dict[str, Any] = {"unit": "queries", "bare": None}
    assert judge(run(bare=50, page=(10, queries), failed=(0, queries)), keep=True)
    assert judge(run(bare=500, page=(11, queries), failed=(0, queries)))
    assert not judge(run(bare=500, page=(12, queries), failed=(0, queries)))
    assert not judge(run(bare=50, page=(10, queries), failed=(1, queries)))


def test_what_a_clock_made_is_told_and_decides_nothing(judge: Guard, capsys: pytest.CaptureFixture[str]) -> None:
    p99: dict[str, Any] = {"judged": False, "unit": "ms"}
    judge(run(p99=(2, p99)), keep=True)
    assert judge(run(p99=(4, p99)))
    assert "+100% | drifts" in capsys.readouterr().out


def test_a_figure_that_is_new_gone_or_another_one_by_now_is_told(
    judge: Guard, capsys: pytest.CaptureFixture[str]
) -> None:
    judge(run(old=1, same=1, meant=1), keep=True)
    assert judge(run(new=1, same=1, meant=(9, {"unit": "ms"})))
    said = capsys.readouterr().out
    assert all(text in said for text in ("4 figures: 2 new, 1 not measured",))


def test_nothing_is_dearer_than_what_was_never_kept(judge: Guard, kept: Path) -> None:
    assert judge(run(swml=100))
    assert not kept.exists()


def test_the_share_can_be_another_and_all_can_be_shown(judge: Guard, capsys: pytest.CaptureFixture[str]) -> None:
    judge(run(swml=100, same=1), keep=True)
    assert judge(run(swml=140, same=1), share=0.5, everything=True)
    assert "+40%" in capsys.readouterr().out


def test_runs_are_kept_by_script_with_date_and_machine_and_the_bare_figure(judge: Guard, kept: Path) -> None:
    judge(run("fleet.py", swml=100), run("dispatch.py", bare=4, swml=20), keep=True)
    assert judge(run("dispatch.py", bare=5, swml=30), keep=True), "accepted"
    found = json.loads(kept.read_text())
    assert list(found) == ["dispatch.py", "fleet.py"]
    assert found["dispatch.py"]["about"] == {"machine": MACHINE, "bare": 5}
    assert found["dispatch.py"]["figures"]["swml"]["value"] == 30
    assert found["fleet.py"]["figures"]["swml"] == run(swml=100)["figures"]["swml"]
    assert sum('"swml"' in line for line in kept.read_text().splitlines()) == 2, "a figure a line"


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (run(quick=True, swml=1, swaig=1), "figures say nothing"),
        (run(swml=1), "did not measure swaig"),
    ],
    ids=["quick", "not whole"],
)
def test_what_would_be_no_measure_is_not_kept(judge: Guard, kept: Path, made: dict[str, Any], said: str) -> None:
    judge(run(swml=100, swaig=100), keep=True)
    before = kept.read_text()
    with pytest.raises(guard.GuardError, match=said):
        judge(made, keep=True)
    assert kept.read_text() == before


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"figures": 7}', '{"figures": {"a": {"b": 1}}}'])
def test_a_file_that_no_script_wrote_is_refused_in_words(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(guard.GuardError, match="no file that a script has written"):
        guard.read(tmp_path / "run.json")
    with pytest.raises(guard.GuardError, match="no file that a script has written"):
        guard.read(tmp_path / "nothing.json")

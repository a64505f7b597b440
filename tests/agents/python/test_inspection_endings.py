"""Looking at a Python agent comes to an end, whatever the size of what is seen and whatever its code starts."""

import textwrap
from pathlib import Path

import pytest

from agents.errors import UnusableSource
from agents.python.inspection import Whereabouts, inspect
from agents.python.source import PythonSource
from tests.e2e.hosting import wait_for


def looked_at(folder: Path, constructor: str, seconds: float = 30) -> dict[str, object]:
    """The functions of an agent whose constructor ends with these lines."""
    (folder / "looked_at.py").write_text(
        "import subprocess, time\n"
        "from signalwire import AgentBase\n"
        "class Agent(AgentBase):\n"
        "    def __init__(self):\n"
        "        super().__init__(name='looked-at')\n" + textwrap.indent(textwrap.dedent(constructor), " " * 8)
    )
    source = PythonSource.model_validate({"class": "looked_at:Agent"})
    return dict(inspect(source, Whereabouts((str(folder),), seconds=seconds)).found.functions)


def is_over(process: str) -> bool:
    """Whether a process has ended, though nobody may have waited for it yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_many_functions_are_seen(tmp_path: Path) -> None:
    """A pipe holds 64 kB; whoever writes more into one that nobody reads waits for ever."""
    functions = looked_at(
        tmp_path,
        """
        for number in range(300):
            self.define_tool(f"function_{number}", "x" * 300, {}, lambda arguments, data: None)
        """,
    )
    assert len(functions) == 300


@pytest.mark.parametrize("then", ["", "time.sleep(60)"])
def test_what_an_agent_starts_holds_up_nobody(tmp_path: Path, then: str) -> None:
    """A process that it leaves behind has its standard error, and ends with it."""
    started = tmp_path / "started"
    keep = f"open({str(started)!r}, 'w').write(str(child.pid))"
    constructor = f"child = subprocess.Popen(['sleep', '60'])\n{keep}\n{then}"
    if then:
        with pytest.raises(UnusableSource, match="was not built within 3 seconds"):
            looked_at(tmp_path, constructor, seconds=3)
    else:
        assert looked_at(tmp_path, constructor) == {}
    wait_for(lambda: is_over(started.read_text()))


def test_what_a_process_that_ends_said_last_is_told(tmp_path: Path) -> None:
    """Its last line is the reason."""
    with pytest.raises(UnusableSource, match="exit code 3 before it was built: no licence"):
        looked_at(tmp_path, "import os, sys\nprint('no licence', file=sys.stderr, flush=True)\nos._exit(3)")

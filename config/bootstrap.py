"""Makes .venv beside manage.py, installs the pinned packages into it and goes on inside: standard library only.

Two commands, on a machine with nothing but Python, is the promise. So there is no pip in .venv (Debian splits ensurepip
off) and none is needed there: whichever installer the machine has is pointed at it.
"""

import contextlib
import fcntl
import hashlib
import importlib
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNTIME, DEVELOPMENT = "requirements.txt", "requirements-dev.txt"  # the second holds all of the first
STAMP = ".switchboard.json"  # in .venv: what was installed, with success
UNFINISHED = ".switchboard-unfinished"  # in .venv: somebody is at work, or was killed at it
PIP_MINIMUM = (22, 3)  # the first with --python
PIP_OPTIONS = ["--no-input", "--disable-pip-version-check", "--no-user", "--progress-bar=off"]
PIP_OPTIONS += ["--root-user-action=ignore"]  # .venv is ours alone, whoever we are
DEBIAN_WHEELS = Path("/usr/share/python-wheels")
QUIET_SECONDS = 5  # say that we are still at it, after so long without news
LOG_SECONDS = 1  # where lines cannot be overwritten, one so often is enough
LAST_LINES = 15  # of the installer's words, when it fails


class BootstrapError(Exception):
    """.venv cannot be made; the message says what to do."""


def enter() -> None:
    """Go on in .venv, which is made or brought up to date before; inside any virtual environment, nothing happens."""
    if sys.prefix != sys.base_prefix:
        return
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        python = prepare(ROOT, DEVELOPMENT if command == "test" else RUNTIME)
    except BootstrapError as error:
        sys.exit(f"Switchboard: {error}")
    except OSError as error:
        sys.exit(
            f"Switchboard: cannot make {ROOT / '.venv'}: {error}. In a virtual environment of yours it is not made."
        )
    except KeyboardInterrupt:
        sys.exit(130)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(python, [str(python), *sys.orig_argv[1:]])  # noqa: S606 - that is the point


@contextlib.contextmanager
def explaining_missing_packages() -> Iterator[None]:
    """End with the way to install a package that is missing; other errors are none of its business."""
    try:
        # Django would hide a package missing in the settings behind "unknown command". What else is wrong with them, it
        # reports itself, or does not need to know, as `help` does.
        try:
            importlib.import_module(os.environ["DJANGO_SETTINGS_MODULE"])
        except ModuleNotFoundError:
            raise
        except Exception:  # noqa: BLE001
            sys.modules.pop(os.environ["DJANGO_SETTINGS_MODULE"], None)
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if (ROOT / missing).is_dir() or missing in sys.stdlib_module_names:
            raise
        if Path(sys.prefix).resolve() == (ROOT / ".venv").resolve():
            cure = "leave it (deactivate) and run python3 manage.py again, which brings it up to date"
        else:
            cure = "pip install -r requirements.txt (requirements-dev.txt for the tests)"
        sys.exit(f"Switchboard: the package of {missing!r} is missing in {sys.prefix}: {cure}.")


def prepare(root: Path, requirements: str) -> Path:
    """Have .venv with these requirements; returns its Python."""
    wanted = root / requirements
    if not wanted.exists():
        raise BootstrapError(f"{wanted} is missing: is this a whole copy of Switchboard?")
    venv = root / ".venv"
    python = venv / "bin" / "python"
    if usable(venv) and satisfied(root, venv, requirements):
        return python
    with only_one(root):
        if not usable(venv):
            make(venv)
        if not satisfied(root, venv, requirements):
            (venv / UNFINISHED).touch()
            install(python, wanted)
            stamp = {"requirements": requirements, "digest": digest(wanted)}
            draft = venv / f"{STAMP}.{os.getpid()}"
            draft.write_text(json.dumps(stamp))
            draft.replace(venv / STAMP)
            (venv / UNFINISHED).unlink(missing_ok=True)
    return python


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def usable(venv: Path) -> bool:
    """Whether .venv is whole, its Python is still there and of the same version as the one that runs now."""
    try:
        written = (venv / "pyvenv.cfg").read_text()
    except OSError:
        return False
    # Not the patch level: an update of the system's Python must not ask for the network.
    found = re.search(r"^version(?:_info)? *= *(\d+\.\d+)", written, re.MULTILINE)
    same = found is not None and found[1] == sysconfig.get_python_version()
    return same and (venv / "bin" / "python").exists() and not (venv / UNFINISHED).exists()


def satisfied(root: Path, venv: Path, requirements: str) -> bool:
    """Whether what was installed last is what these requirements ask for now."""
    try:
        stamp = json.loads((venv / STAMP).read_text())
        if stamp["requirements"] not in (requirements, DEVELOPMENT):
            return False
        return bool(stamp["digest"] == digest(root / stamp["requirements"]))
    except (OSError, ValueError, KeyError, TypeError):
        return False


@contextlib.contextmanager
def only_one(root: Path) -> Iterator[None]:
    """Wait for another one that is at the same work. The lock is on the folder itself: no file is left over."""
    fd = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process is making .venv; waiting for it")
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def make(venv: Path) -> None:
    """Make .venv anew, without pip."""
    if sysconfig.get_platform().startswith("win"):
        raise BootstrapError("Switchboard runs on Linux and macOS")
    try:
        from venv import EnvBuilder
    except ImportError:
        raise BootstrapError("this Python has no venv module: apt install python3-venv, or its like") from None
    say(f"{'remaking' if venv.exists() else 'making'} {venv} with Python {sys.version.split()[0]}")
    if venv.is_symlink():
        venv.unlink()
    elif venv.exists():
        shutil.rmtree(venv)
    EnvBuilder(with_pip=False, symlinks=True).create(venv)


# --- installing ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Installer:
    """A way to install packages into another environment."""

    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)


def installers(python: Path) -> Iterator[Installer]:
    """What this machine has for the purpose, best first."""
    if pip_version() >= PIP_MINIMUM:
        yield Installer([sys.executable, "-m", "pip", "--python", str(python), "install", *PIP_OPTIONS])
    for wheel in pip_wheels():
        yield Installer([str(python), "-m", "pip", "install", *PIP_OPTIONS], {"PYTHONPATH": str(wheel)})
    if uv := shutil.which("uv"):
        yield Installer([uv, "pip", "install", "--python", str(python)])


def pip_version() -> tuple[int, ...]:
    """The version of this Python's pip; empty if it has none."""
    asked = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"pip (\d+)\.(\d+)", asked.stdout)
    return (int(found[1]), int(found[2])) if found and not asked.returncode else ()


def pip_wheels() -> Iterator[Path]:
    """The wheels of pip that come with Python, or with Debian's, and run without being installed."""
    with contextlib.suppress(ImportError):
        import ensurepip

        yield from (Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl")
    yield from DEBIAN_WHEELS.glob("pip-*.whl")


def install(python: Path, requirements: Path) -> None:
    """Install the requirements with the first installer there is, showing how far it is."""
    installer = next(installers(python), None)
    if installer is None:
        raise BootstrapError(
            "found no pip to install the packages with: apt install python3-pip (or dnf install python3-pip, or uv)"
        )
    command = [*installer.command, "--require-hashes", "-r", str(requirements)]
    progress = Progress(count_pins(requirements), sys.stderr.isatty(), write=write)
    code = follow(command, installer.environment, progress)
    if code:
        last = "\n".join(f"    {line}" for line in progress.last)
        raise BootstrapError(
            f"the installation failed:\n{last}\n  This was: {' '.join(command)}\n"
            "  See that the package index can be reached (a proxy, a mirror: PIP_INDEX_URL), then run the same again."
        )
    progress.finish()


def count_pins(requirements: Path) -> int:
    """How many pins there are, also those for other Pythons: which they are, the installer knows."""
    return len(re.findall(r"^\w[^\s;]*==", requirements.read_text(), re.MULTILINE))


def follow(command: list[str], environment: dict[str, str], progress: "Progress") -> int:
    """Run the installer, its words going to the progress line by line; returns its exit code."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    lines: queue.Queue[str | None] = queue.Queue()
    reader = threading.Thread(target=read_lines, args=(process.stdout, lines), daemon=True)
    reader.start()
    try:
        while True:
            try:
                line = lines.get(timeout=QUIET_SECONDS)
            except queue.Empty:
                progress.quiet()
                continue
            if line is None:
                return process.wait()
            progress.line(line)
    except BaseException:
        process.terminate()
        raise
    finally:
        process.wait()
        process.stdout.close()


def read_lines(stream: "Iterator[str]", lines: "queue.Queue[str | None]") -> None:
    """Put a stream's lines into a queue, and None at its end."""
    for line in stream:
        lines.put(line.rstrip())
    lines.put(None)


def say(text: str) -> None:
    """Print a line."""
    write(f"Switchboard: {text}\n")


def write(text: str) -> None:
    """Write at once, to where it does not mix with a command's output."""
    sys.stderr.write(text)
    sys.stderr.flush()


class Progress:
    """One line that changes on a terminal, a few lines in a log.

    `total`: of the pins. The installer says before it begins which of them are not for this Python.
    """

    def __init__(self, total: int, terminal: bool, write: Callable[[str], object]):
        self.total = total
        self.terminal = terminal
        self.write = write
        self.done = 0
        self.names: set[str] = set()
        self.doing = "installing packages into .venv"
        self.started = time.monotonic()
        self.shown = 0.0
        self.last: deque[str] = deque(maxlen=LAST_LINES)
        self.show(self.doing + " ...", always=True)

    def line(self, line: str) -> None:
        """Take in a line of the installer's."""
        if line.strip():
            self.last.append(line)
        # pip's words for the same; the last for a mirror that is a folder of wheels.
        if found := re.match(r"(?:Collecting|Requirement already satisfied:) ([\w.-]+)|Processing \S*/(\w+)-", line):
            name = found[1] or found[2]
            self.names.add(name.lower())
            self.doing = f"installing {self.total} packages into .venv"
            self.show(f"{self.doing} ... [{len(self.names)}/{self.total}] {name}")
        elif line.startswith("Ignoring "):  # pip: a pin whose marker does not hold
            self.total -= 1
        elif found := re.match(r"Resolved (\d+) packages? ", line):  # uv
            self.total = int(found[1])
        elif line.startswith(("Installing collected packages:", "Prepared ")):
            self.doing = "unpacking"
            self.show(f"unpacking {self.total} packages ...", always=True)

    def quiet(self) -> None:
        """Nothing was heard for a while."""
        self.show(f"{self.doing} ... {time.monotonic() - self.started:.0f} s", always=True)

    def finish(self) -> None:
        """All is there."""
        self.show(f"installed {self.total} packages in {time.monotonic() - self.started:.0f} s", always=True)
        if self.terminal:
            self.write("\n")

    def show(self, text: str, always: bool = False) -> None:
        """Show how far it is."""
        if self.terminal:
            self.write(f"\r\x1b[KSwitchboard: {text}")
        elif always or time.monotonic() - self.shown >= LOG_SECONDS:
            self.shown = time.monotonic()
            self.write(f"Switchboard: {text}\n")

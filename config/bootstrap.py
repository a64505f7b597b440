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
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from config.progress import LAST_LINES, Progress, say, write

ROOT = Path(__file__).resolve().parent.parent
RUNTIME, DEVELOPMENT = "requirements.txt", "requirements-dev.txt"  # the second holds all of the first
STAMP = ".switchboard.json"  # in .venv: what was installed, with success
UNFINISHED = ".switchboard-unfinished"  # in .venv: somebody is at work, or was killed at it
PIP_MINIMUM = (22, 3)  # the first with --python
PIP_OPTIONS = ["--no-input", "--disable-pip-version-check", "--no-user", "--progress-bar=off"]
PIP_OPTIONS += ["--root-user-action=ignore"]  # .venv is ours alone, whoever we are
PIP_OPTIONS += ["--no-deps"]  # all are pinned, and none is looked for that another pip installs at the same time
PIPS = 4  # at most, at once: each needs a core to itself
DEBIAN_WHEELS = Path("/usr/share/python-wheels")
QUIET_SECONDS = 5  # say that we are still at it, after so long without news


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
    at_once: int = 1  # how many of it share the work


def installers(python: Path) -> Iterator[Installer]:
    """What this machine has for the purpose, best first."""
    pips = min(os.cpu_count() or 1, PIPS)
    if pip_version() >= PIP_MINIMUM:
        yield Installer([sys.executable, "-m", "pip", "--python", str(python), "install", *PIP_OPTIONS], at_once=pips)
    for wheel in pip_wheels():
        yield Installer([str(python), "-m", "pip", "install", *PIP_OPTIONS], {"PYTHONPATH": str(wheel)}, pips)
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
    command = [*installer.command, "--require-hashes", "-r"]
    progress = Progress(count_pins(requirements), sys.stderr.isatty(), write=write)
    with tempfile.TemporaryDirectory() as folder:
        files = shares(requirements, installer.at_once, Path(folder))
        code = follow([[*command, str(file)] for file in files], installer.environment, progress)
    if code:
        last = "\n".join(f"    {line}" for line in progress.last)
        raise BootstrapError(
            f"the installation failed:\n{last}\n  This was: {' '.join([*command, str(requirements)])}\n"
            "  See that the package index can be reached (a proxy, a mirror: PIP_INDEX_URL), then run the same again."
        )
    progress.finish()


def shares(requirements: Path, number: int, folder: Path) -> list[Path]:
    """The requirements, or files in the folder with every so many'th pin of them."""
    pins = re.findall(r"^\w.*\n(?:[ \t].*\n)*", requirements.read_text(), re.MULTILINE)
    number = min(number, len(pins))
    if number < 2:
        return [requirements]
    files = [folder / f"{share}-{requirements.name}" for share in range(number)]
    for share, file in enumerate(files):
        file.write_text("".join(pins[share::number]))
    return files


def count_pins(requirements: Path) -> int:
    """How many pins there are, also those for other Pythons: which they are, the installer knows."""
    return len(re.findall(r"^\w[^\s;]*==", requirements.read_text(), re.MULTILINE))


def follow(commands: list[list[str]], environment: dict[str, str], progress: Progress) -> int:
    """Run the installers, their words going to the progress line by line; the exit code of the first that fails."""
    lines: queue.Queue[tuple[int, str | None]] = queue.Queue()
    processes: list[subprocess.Popen[str]] = []
    said = [deque[str](maxlen=LAST_LINES) for _ in commands]
    try:
        for number, command in enumerate(commands):
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
            )
            processes.append(process)
            assert process.stdout is not None
            threading.Thread(target=read_lines, args=(number, process.stdout, lines), daemon=True).start()
        running = len(processes)
        while running:
            try:
                number, line = lines.get(timeout=QUIET_SECONDS)
            except queue.Empty:
                progress.quiet()
                continue
            if line is not None:
                progress.line(line)
                said[number].append(line)
            elif code := processes[number].wait():
                progress.last = said[number]
                return code
            else:
                running -= 1
        return 0
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


def read_lines(number: int, stream: IO[str], lines: queue.Queue[tuple[int, str | None]]) -> None:
    """Put a stream's lines into a queue, and None at its end, each with whose they are."""
    with stream:
        for line in stream:
            lines.put((number, line.rstrip()))
    lines.put((number, None))

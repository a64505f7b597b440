"""manage.py outside a virtual environment: what it decides, and once for real with nothing to install."""

import ast
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from config import bootstrap
from config import progress as progress_module
from config.bootstrap import BootstrapError, Installer, prepare
from config.progress import Progress

from .processes import ROOT

BASE_PYTHON = str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of Switchboard, as far as this matters."""
    (tmp_path / "requirements.txt").write_text("a==1 \\\n    --hash=sha256:00\n")
    (tmp_path / "requirements-dev.txt").write_text("a==1 \\\n    --hash=sha256:00\nb==2\n")
    return tmp_path


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was installed; nothing really is."""
    calls: list[str] = []
    monkeypatch.setattr(bootstrap, "install", lambda python, requirements: calls.append(requirements.name))
    return calls


def test_the_second_time_nothing_is_done(tree: Path, installed: list[str]) -> None:
    python = prepare(tree, "requirements.txt")
    assert python == tree / ".venv/bin/python"
    assert python.exists()
    assert not (tree / ".venv/bin/pip").exists()
    assert prepare(tree, "requirements.txt") == python
    assert installed == ["requirements.txt"]


def test_what_the_tests_need_is_enough_to_serve_but_not_the_other_way_round(tree: Path, installed: list[str]) -> None:
    prepare(tree, "requirements.txt")
    prepare(tree, "requirements-dev.txt")
    prepare(tree, "requirements.txt")
    prepare(tree, "requirements-dev.txt")
    assert installed == ["requirements.txt", "requirements-dev.txt"]


def test_changed_requirements_are_installed_into_the_same_environment(tree: Path, installed: list[str]) -> None:
    prepare(tree, "requirements.txt")
    (tree / ".venv/kept").touch()
    (tree / "requirements.txt").write_text("a==2")
    prepare(tree, "requirements.txt")
    assert installed == ["requirements.txt", "requirements.txt"]
    assert (tree / ".venv/kept").exists()


@pytest.mark.parametrize("damage", ["another version", "python removed", "interrupted", "no cfg", "broken stamp"])
def test_an_environment_that_cannot_be_trusted_is_made_again(tree: Path, installed: list[str], damage: str) -> None:
    prepare(tree, "requirements.txt")
    venv = tree / ".venv"
    (venv / "kept").touch()
    if damage == "another version":
        (venv / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.8.1\n")
    elif damage == "python removed":
        (venv / "bin/python").unlink()
        (venv / "bin/python").symlink_to("/nowhere/python3")
    elif damage == "interrupted":
        (venv / bootstrap.UNFINISHED).touch()
    elif damage == "no cfg":
        (venv / "pyvenv.cfg").unlink()
    else:
        (venv / bootstrap.STAMP).write_text("[]")
    prepare(tree, "requirements.txt")
    assert len(installed) == 2
    assert (venv / "kept").exists() == (damage == "broken stamp")  # that one is only installed into again


def test_a_failed_installation_is_not_taken_for_one(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(python: Path, requirements: Path) -> None:
        raise BootstrapError("no network")

    with monkeypatch.context() as patch:
        patch.setattr(bootstrap, "install", fail)
        with pytest.raises(BootstrapError, match="no network"):
            prepare(tree, "requirements.txt")
    assert not (tree / ".venv" / bootstrap.STAMP).exists()
    done: list[Path] = []
    monkeypatch.setattr(bootstrap, "install", lambda python, requirements: done.append(requirements))
    prepare(tree, "requirements.txt")
    assert len(done) == 1


def test_of_two_at_once_one_works_and_the_other_waits(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[str] = []

    def slowly(python: Path, requirements: Path) -> None:
        calls.append(requirements.name)
        time.sleep(0.3)

    monkeypatch.setattr(bootstrap, "install", slowly)
    both = [threading.Thread(target=prepare, args=[tree, "requirements.txt"]) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert calls == ["requirements.txt"]
    assert "another process is making .venv; waiting" in capsys.readouterr().err


def test_a_missing_requirements_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(BootstrapError, match=r"requirements\.txt is missing"):
        prepare(tmp_path, "requirements.txt")


def test_the_best_installer_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wheel, python = tmp_path / "pip-1-py3-none-any.whl", Path("/x/python")
    monkeypatch.setattr(bootstrap, "pip_wheels", lambda: iter([wheel]))
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(bootstrap, "pip_version", lambda: (22, 3))
    pip, bundled, uv = bootstrap.installers(python)
    assert pip.command[:6] == [sys.executable, "-m", "pip", "--python", "/x/python", "install"]
    assert bundled.command[:4] == ["/x/python", "-m", "pip", "install"]
    assert bundled.environment == {"PYTHONPATH": str(wheel)}
    assert uv.command == ["/bin/uv", "pip", "install", "--python", "/x/python"]
    monkeypatch.setattr(bootstrap, "pip_version", lambda: (22, 2))  # knows no --python yet
    assert list(bootstrap.installers(python)) == [bundled, uv]


def test_without_any_installer_it_says_what_to_install(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "installers", lambda python: iter([]))
    with pytest.raises(BootstrapError, match="apt install python3-pip"):
        bootstrap.install(Path("/x/python"), tree / "requirements.txt")


def use_installer(monkeypatch: pytest.MonkeyPatch, code: str, at_once: int = 1) -> None:
    installer = Installer([sys.executable, "-c", code], at_once=at_once)
    monkeypatch.setattr(bootstrap, "installers", lambda python: iter([installer]))


def test_a_failure_shows_the_installers_last_words_and_what_to_do(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_installer(monkeypatch, "print('\\n'.join(f'line {n}' for n in range(100))); print('no route'); exit(4)")
    with pytest.raises(BootstrapError, match=r"(?s)line 99.*no route.*PIP_INDEX_URL") as caught:
        bootstrap.install(Path("/x/python"), tree / "requirements.txt")
    assert "line 80" not in str(caught.value)


def test_the_installer_is_asked_for_hashes(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use_installer(monkeypatch, "import sys; assert sys.argv[1:3] == ['--require-hashes', '-r'], sys.argv")
    bootstrap.install(Path("/x/python"), tree / "requirements.txt")
    assert "installed 1 packages" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_several_installers_share_all_pins_with_their_hashes(name: str, tmp_path: Path) -> None:
    whole = (ROOT / name).read_text()
    files = bootstrap.shares(ROOT / name, 3, tmp_path)
    texts = [file.read_text() for file in files]
    assert len(texts) == 3
    assert sorted("".join(texts).splitlines()) == sorted(line for line in whole.splitlines() if line[:1] != "#")
    assert all(line.startswith("    --hash") == (line[0] == " ") for text in texts for line in text.splitlines())
    assert all(text[0].isalnum() for text in texts)
    assert bootstrap.shares(ROOT / name, 1, tmp_path) == [ROOT / name]


def test_several_installers_work_at_once_and_the_words_of_the_one_that_fails_are_shown(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits for the other; the one that is left over is not waited for."""
    code = f"""
import os, pathlib, sys, time
share = pathlib.Path(sys.argv[-1]).name[0]
(pathlib.Path({str(tree)!r}) / share).touch()
while not all((pathlib.Path({str(tree)!r}) / each).exists() for each in "01"):
    time.sleep(0.01)
print("I am", share)
if share == "1":
    sys.exit(3)
time.sleep(60)
"""
    use_installer(monkeypatch, code, at_once=2)
    with pytest.raises(BootstrapError, match=r"(?s)I am 1.*requirements-dev\.txt") as caught:
        bootstrap.install(Path("/x/python"), tree / "requirements-dev.txt")
    assert "I am 0" not in str(caught.value)


def test_whatever_a_pinned_package_needs_is_pinned() -> None:
    """No installer looks: it would find what another one installs at the same time missing."""
    for name in ("requirements.txt", "requirements-dev.txt"):
        lines = [line.rstrip(" \\") for line in (ROOT / name).read_text().splitlines() if line[:1].isalnum()]
        pins = {pin.name: pin for pin in map(Requirement, lines) if pin.marker is None or pin.marker.evaluate()}
        asked: dict[str, set[str]] = {pin: set() for pin in pins}
        for line in (ROOT / name.replace(".txt", ".in")).read_text().splitlines():
            if line[:1].isalnum():
                wanted = Requirement(line.partition(" #")[0])
                asked[wanted.name.lower()] |= wanted.extras
        for pin in (*pins, *pins):  # once more, for what is asked of a package by one that comes later
            for text in requires(pin) or []:
                needed = Requirement(text)
                extras = asked[pin] or {""}
                if needed.marker and not any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                    continue
                found = canonicalize_name(needed.name)
                assert found in pins, f"{pin} needs {text}"
                asked[found] |= needed.extras
                assert needed.specifier.contains(version(found), prereleases=True), f"{pin} needs {text}"


def test_silence_is_bridged(tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bootstrap, "QUIET_SECONDS", 0.05)
    use_installer(monkeypatch, "import time; print('Installing collected packages: a'); time.sleep(0.2)")
    bootstrap.install(Path("/x/python"), tree / "requirements.txt")
    assert "unpacking ... 0 s" in capsys.readouterr().err


def test_progress_is_readable_on_a_terminal_and_in_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    said = [
        "Ignoring cbor2: markers",
        "Collecting django==5.2",
        "  Downloading django.whl",
        "Collecting psycopg-pool>=3",
        "Processing /mirror/files/annotated_types-0.8.0-py3-none-any.whl (from -r /x/requirements-dev.txt (line 3))",
    ]
    said += ["Installing collected packages: django, psycopg-pool", "Successfully installed django psycopg-pool"]
    shown = {}
    monkeypatch.setattr(progress_module, "LOG_SECONDS", 0)
    for terminal in (False, True):
        text = io.StringIO()
        progress = Progress(4, terminal, text.write)
        for line in said:
            progress.line(line)
        progress.finish()
        shown[terminal] = text.getvalue()
    assert shown[False].splitlines() == [
        "Switchboard: installing packages into .venv ...",
        "Switchboard: installing 3 packages into .venv ... [1/3] django",
        "Switchboard: installing 3 packages into .venv ... [2/3] psycopg-pool",
        "Switchboard: installing 3 packages into .venv ... [3/3] annotated_types",
        "Switchboard: unpacking 3 packages ...",
        "Switchboard: installed 3 packages in 0 s",
    ]
    assert shown[True].count("\n") == 1
    assert shown[True].count("\r\x1b[K") == 6


def said_by_pip(pins: list[Requirement]) -> list[str]:
    """What pip says first of all, of pins that are not for this Python."""
    return [
        f"Ignoring {pin.name}: markers {str(pin.marker)!r}" for pin in pins if pin.marker and not pin.marker.evaluate()
    ]


def test_packages_are_counted_as_they_are_pinned() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        lines = [line.rstrip(" \\") for line in (ROOT / name).read_text().splitlines() if line[:1].isalnum()]
        pins = [Requirement(line) for line in lines]
        names = {pin.name for pin in pins if pin.marker is None or pin.marker.evaluate()}
        for words in (said_by_pip(pins), [f"Resolved {len(names)} packages in 2ms"]):
            shown = Progress(bootstrap.count_pins(ROOT / name), terminal=False, write=lambda text: None)
            for line in words:
                shown.line(line)
            assert shown.total == len(names) > 20
        assert len(said_by_pip(pins)) > 3


def test_in_a_virtual_environment_nothing_special_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "prepare", lambda *_: pytest.fail("it was"))
    monkeypatch.setattr(sys, "prefix", "/somebody/s/venv")
    bootstrap.enter()


def test_a_missing_package_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"'nosuch' is missing in .*"), bootstrap.explaining_missing_packages():
        raise ModuleNotFoundError("No module named 'nosuch.thing'", name="nosuch.thing")
    monkeypatch.setattr(sys, "prefix", "/somebody/s/venv")
    with pytest.raises(SystemExit, match=r"pip install -r requirements\.txt"), bootstrap.explaining_missing_packages():
        raise ModuleNotFoundError("No module named 'nosuch'", name="nosuch")
    with pytest.raises(ModuleNotFoundError), bootstrap.explaining_missing_packages():
        raise ModuleNotFoundError("No module named 'config.nosuch'", name="config.nosuch")  # a mistake of ours


def test_an_old_python_can_read_manage_py_and_is_refused() -> None:
    ast.parse((ROOT / "manage.py").read_text(), feature_version=(3, 5))
    code = (
        "import sys, runpy; sys.version_info = (3, 10, 1, 'final', 0); runpy.run_path('manage.py', run_name='__main__')"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "needs Python 3.11 or newer" in run.stderr
    assert "Traceback" not in run.stderr


def test_for_real_it_goes_on_in_the_environment_it_made(tree: Path) -> None:
    other = "a==1 ; sys_platform == 'win32' \\\n    --hash=sha256:" + 64 * "0"  # which pip ignores here
    (tree / "requirements.txt").write_text(f"# nothing\n{other}\n")
    (tree / "config").mkdir()
    (tree / "config/__init__.py").touch()
    for name in ("bootstrap.py", "progress.py"):
        shutil.copy(ROOT / "config" / name, tree / "config")
    shutil.copy(ROOT / "manage.py", tree)
    (tree / "config/settings.py").touch()
    command = [BASE_PYTHON, "-X", "utf8", "manage.py", "help"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO", "PYTHON"))}

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)

    first = run()
    assert "making" in first.stderr
    assert "installed 0 packages" in first.stderr
    # It got as far as Django, which is not there: so it ran in .venv, and says what is missing.
    assert first.stderr.splitlines()[-1].startswith("Switchboard: the package of 'django' is missing in")
    stamp = json.loads((tree / ".venv" / bootstrap.STAMP).read_text())
    assert stamp["requirements"] == "requirements.txt"
    assert "making" not in run().stderr

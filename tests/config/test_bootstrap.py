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
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from config import bootstrap
from config.bootstrap import BootstrapError, Installer, Progress, prepare

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


def use_installer(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    installer = Installer([sys.executable, "-c", code])
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
    monkeypatch.setattr(bootstrap, "LOG_SECONDS", 0)
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
            progress = Progress(bootstrap.count_pins(ROOT / name), terminal=False, write=lambda text: None)
            for line in words:
                progress.line(line)
            assert progress.total == len(names) > 20
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
    shutil.copy(ROOT / "config/bootstrap.py", tree / "config")
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

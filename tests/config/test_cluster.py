"""The embedded PostgreSQL: started by the first user, stopped after the last, whatever happens to either."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db.utils import OperationalError

from config.embedded import cluster as module
from config.embedded import keeper, locks
from config.embedded import server as programs
from config.embedded.cluster import Cluster, NoClusterError, open_cluster
from config.embedded.locks import Files
from config.values import database

from .processes import ROOT, python, that_know, wait_for, wait_until_gone

# Opens the cluster, says the server's number, and leaves when its input ends.
USER = """
import sys
from pathlib import Path
from config.embedded import keeper
from config.embedded.cluster import open_cluster
cluster = open_cluster(Path(sys.argv[1]), "-c fsync=off")
print(keeper.running_pid(cluster.data_dir / "postgres"), flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose server has been made and stopped."""
    data_dir = tmp_path_factory.mktemp("made")
    assert open_cluster(data_dir, "-c fsync=off").close(wait=20)
    return data_dir


@pytest.fixture
def data_dir(made: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of it, which a test may do everything to; whatever it left running ends with it."""
    data_dir = tmp_path / "data"
    subprocess.run(["cp", "-a", str(made), str(data_dir)], check=True)
    yield data_dir
    with contextlib.suppress(KeyError):
        module._opened[data_dir].close()
    wait_until_gone(data_dir)


def opened(data_dir: Path) -> Cluster:
    return open_cluster(data_dir, "-c fsync=off")


def ask(cluster: Cluster, question: str) -> object:
    with psycopg.connect(cluster.url()) as connection:
        row = connection.execute(question.encode()).fetchone()
    assert row is not None
    return row[0]


def server(data_dir: Path) -> int:
    pid = keeper.running_pid(data_dir / "postgres")
    assert pid is not None
    return pid


def keeper_pid(data_dir: Path) -> int:
    [line] = [line for line in that_know(data_dir) if "keeper.py" in line]
    return int(line.split()[0])


def test_the_first_user_starts_it_and_the_last_one_has_it_stopped(data_dir: Path) -> None:
    ours = opened(data_dir)
    assert opened(data_dir) is ours
    assert ask(ours, "SELECT current_database()") == "switchboard"
    assert ask(ours, "SHOW listen_addresses") == ""
    with python(USER, data_dir) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert int(other.stdout.readline()) == server(data_dir)
        assert ours.close(wait=20) is False  # it is still used
        assert server(data_dir)
        other.stdin.close()
        wait_until_gone(data_dir)
    assert not (data_dir / "postgres/postmaster.pid").exists()  # it was stopped, not killed


def test_when_all_users_are_killed_it_is_stopped(data_dir: Path) -> None:
    with python(USER, data_dir) as one, python(USER, data_dir) as two:
        for user in (one, two):
            assert user.stdout is not None
            user.stdout.readline()
        one.kill()
        two.kill()
    wait_until_gone(data_dir)


def test_many_at_once_share_one_server(data_dir: Path) -> None:
    users = [python(USER, data_dir) for _ in range(4)]
    with contextlib.ExitStack() as stack:
        for user in users:
            stack.enter_context(user)
        numbers = {user.stdout.readline() for user in users if user.stdout}
        assert numbers == {f"{server(data_dir)}\n"}
        assert keeper_pid(data_dir)  # one
        for user in users:
            user.kill()


def test_who_comes_while_it_is_stopped_waits_and_starts_it_again(data_dir: Path) -> None:
    for _ in range(5):
        ours = opened(data_dir)
        assert ask(ours, "SELECT 1") == 1
        ours.close()  # no waiting: the keeper is just about to stop it when the next one comes


def test_a_killed_keeper_and_a_killed_server_are_replaced(data_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    ours = opened(data_dir)
    caplog.clear()  # as root it says what it opened
    first = keeper_pid(data_dir)
    ours.keep()
    assert keeper_pid(data_dir) == first
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: not locks.keeper_lives(Files(data_dir)))  # the kernel lets go of its lock a moment later
    ours.keep()
    assert keeper_pid(data_dir) != first
    assert not caplog.messages
    os.kill(server(data_dir), signal.SIGQUIT)
    wait_for(lambda: keeper.running_pid(data_dir / "postgres") is None)
    ours.keep()
    assert "the embedded PostgreSQL has stopped: starting it again" in caplog.messages
    assert ask(ours, "SELECT 1") == 1


def test_a_deleted_data_folder_does_not_keep_the_server_alive(data_dir: Path) -> None:
    ours = opened(data_dir)
    shutil.rmtree(data_dir)
    ours.keep()  # must not make it again
    assert not data_dir.exists()
    ours.close(wait=5)
    wait_until_gone(data_dir)


def test_what_a_power_cut_leaves_is_no_hindrance(data_dir: Path) -> None:
    # The number of a process that lives, and is no PostgreSQL.
    (data_dir / "postgres/postmaster.pid").write_text(
        f"{os.getpid()}\n{data_dir}/postgres\n1\n5432\n\n\n1 1\nready   \n"
    )
    ours = opened(data_dir)
    assert ask(ours, "SELECT 1") == 1
    assert ours.close(wait=20)
    (data_dir / "postgres/postmaster.pid").write_text("4")
    assert ask(opened(data_dir), "SELECT 1") == 1


def test_a_starter_that_was_killed_leaves_no_server(data_dir: Path) -> None:
    # What the keeper finds: nobody has a share, the note says "starting", postmaster.pid comes a moment later.
    ours = opened(data_dir)
    pid, lines = server(data_dir), (data_dir / "postgres/postmaster.pid").read_text()
    note = os.open(Files(data_dir).keeper, os.O_RDWR)
    locks.write_note(note, "starting")
    os.close(note)
    (data_dir / "postgres/postmaster.pid").unlink()
    ours.close()
    with pytest.raises(AssertionError):
        wait_until_gone(data_dir, seconds=0.3)
    (data_dir / "postgres/postmaster.pid").write_text(lines)
    wait_until_gone(data_dir)
    assert not keeper.is_postmaster(pid, data_dir / "postgres")


def test_a_server_that_does_not_start_is_explained_with_its_log(data_dir: Path) -> None:
    with pytest.raises(OperationalError, match=r"unrecognized configuration parameter(.|\n)*postgres/log"):
        open_cluster(data_dir, "-c nonsense=1")


def test_a_folder_of_another_version_is_refused(data_dir: Path) -> None:
    (data_dir / "postgres/PG_VERSION").write_text("16\n")
    with pytest.raises(OperationalError, match="was made by PostgreSQL 16"):
        opened(data_dir)


def test_a_data_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for make in (True, False):
        with pytest.raises(ImproperlyConfigured, match=r"\ADATA_DIR: .*/file/data cannot be used \(Not a directory\)"):
            open_cluster(tmp_path / "file" / "data", make=make)


def test_none_is_made_for_who_only_looks(made: Path, tmp_path: Path) -> None:
    with pytest.raises(NoClusterError, match=r"there is no database in DATA_DIR .*/nowhere: start `serve` once"):
        open_cluster(tmp_path / "nowhere", make=False)
    assert not (tmp_path / "nowhere").exists()
    ours = open_cluster(made, "-c fsync=off", make=False)
    assert ask(ours, "SELECT 1") == 1
    assert ours.close(wait=20)


def test_a_lock_that_is_never_let_go_is_named(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "STOP_SECONDS", 0.1)
    with Files(data_dir).lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(OperationalError, match="is being stopped"):
            opened(data_dir)


def test_a_long_path_gets_its_socket_elsewhere(made: Path, tmp_path: Path) -> None:
    data_dir = tmp_path / ("long" * 25)
    subprocess.run(["cp", "-a", str(made), str(data_dir)], check=True)
    ours = opened(data_dir)
    assert not ours.host.startswith(str(data_dir))
    assert Path(ours.host).stat().st_mode & 0o077 == 0
    assert ask(ours, "SELECT 1") == 1
    assert ours.close(wait=20)
    shutil.rmtree(ours.host)


def test_an_old_log_is_kept_once(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "LOG_BYTES", 10)
    opened(data_dir)
    assert (data_dir / "postgres/log.1").exists()
    assert "database system is ready" in (data_dir / "postgres/log").read_text()


@pytest.mark.parametrize("folder", ["/srv/data/postgres", "/tmp/a b+c&d%41?#ü/postgres"])
def test_its_url_is_understood_by_the_settings_and_by_libpq(folder: str) -> None:
    url = Cluster(Path("/nowhere"), folder, -1).url("x")
    read = database(url)
    assert read is not None
    assert read["ENGINE"] == "django.db.backends.postgresql"
    assert (read["NAME"], read["USER"], read["OPTIONS"]) == ("x", "postgres", {"host": folder, "port": 5432})
    assert psycopg.conninfo.conninfo_to_dict(url)["host"] == folder


def test_commands_without_a_database_start_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "DATA_DIR": str(tmp_path / "data")}
    environment.pop("DATABASE_URL", None)
    for command in (["help"], ["check"]):
        subprocess.run(
            [sys.executable, "manage.py", *command], cwd=ROOT, env=environment, check=True, capture_output=True
        )
    assert not (tmp_path / "data").exists()

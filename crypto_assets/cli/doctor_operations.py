"""What `crypto-assets doctor` looks at besides data: disk, places that are written to, Redis, broker, alerts, backups.

What belongs here: these examinations. What does not: providers (doctor_world.py), and the table (doctor.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from crypto_assets.cli.show_text import age_text
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.settings import Settings
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse

_GB = 2**30
# A day's growth is known only roughly; a month leaves time to order a disk, or to let partitions go.
LEAST_DAYS = 30
_PROBE = b"crypto_assets doctor"


class Unwell(CryptoAssetsError):
    """What was examined is not as it should be."""


@dataclass(frozen=True)
class Operation:
    """Something to look at.

    Args:
        look: Says what was found.
        off: Why there is nothing to look at; empty where there is.
    """

    name: str
    look: Callable[[], str]
    off: str = ""


def operation_examinations(settings: Settings, warehouse: Warehouse, universe: Universe | None) -> Iterator[Operation]:
    """What to look at, one after the other; nothing is asked before its `look`."""
    yield Operation("disk", lambda: _disk(warehouse))
    for name, place in (
        ("exports", settings.export_place),
        ("training sets", settings.training_place),
        ("backups", settings.backup_place),
        ("models", settings.model_store_place),
    ):
        yield Operation(f"place of {name}", lambda place=place: _writable(place))  # type: ignore[misc]
    yield Operation("backups", lambda: _newest_backup(warehouse, universe))
    broker = settings.broker_url
    yield Operation(
        "Redis", lambda: _redis(settings), "" if settings.redis_url else "not named; readers ask PostgreSQL"
    )
    yield Operation("broker", lambda: _broker(settings), "" if broker else "not named; runs stay on this machine")
    yield Operation("workers", lambda: _workers(settings), "" if broker else "no broker is named")
    told = "" if settings.alert_urls else "no address is named; alerts are only remembered"
    yield Operation("alerts", lambda: _addresses(settings), told)


def _disk(warehouse: Warehouse) -> str:
    from crypto_assets.warehouse.storage import storage_of

    found = storage_of(warehouse, datetime.now(UTC))
    if found.disk is None:
        return "the server is on another machine, or does not say where its data lies"
    days = found.days_until_full
    free = f"{found.disk.free_bytes / _GB:,.0f} GB free"
    if days is None:
        return free
    if days < LEAST_DAYS:
        raise Unwell(
            f"{free}, full in {days:,.0f} days at {found.growth_bytes / _GB:,.2f} GB a day",
            way_out="`crypto-assets storage` shows what grows; retention in universe.yaml lets old partitions go.",
        )
    return f"{free}, full in {days:,.0f} days at {found.growth_bytes / _GB:,.2f} GB a day"


def _writable(place: str) -> str:
    """Write, read and remove a small file there."""
    import fsspec

    from crypto_assets.store_address import without_credentials

    shown = without_credentials(place)
    try:
        system, folder = fsspec.core.url_to_fs(place)
        system.makedirs(folder, exist_ok=True)
        path = f"{folder.rstrip('/')}/.doctor-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        with system.open(path, "wb") as file:
            file.write(_PROBE)
        try:
            with system.open(path, "rb") as file:
                found = file.read()
        finally:
            system.rm(path)
    except Exception as error:  # every store has errors of its own; whichever it is, nothing can be kept there
        raise Unwell(
            f"{shown}: {type(error).__name__}", way_out="Name a folder or an address that can be written to."
        ) from error
    if found != _PROBE:
        raise Unwell(f"{shown} gives back something else than was written", way_out="Name another place.")
    return f"{shown} can be written to"


def _newest_backup(warehouse: Warehouse, universe: Universe | None) -> str:
    from crypto_assets.warehouse.backup_log import SUCCEEDED, newest_notes

    newest = newest_notes(warehouse).get(SUCCEEDED)
    bound = timedelta(hours=universe.backups.max_age_hours) if universe else timedelta()
    age = datetime.now(UTC) - newest.started_at if newest else None
    if bound and (age is None or age > bound):
        told = "there is none" if age is None else f"the newest is {age_text(age)} old"
        raise Unwell(
            f"{told}, and backups.max_age_hours is {bound / timedelta(hours=1):g}",
            way_out="`crypto-assets backup` makes one.",
        )
    return "none yet, and none is asked for" if age is None else f"the newest is {age_text(age)} old"


def _redis(settings: Settings) -> str:
    from crypto_assets.latest.connecting import SETTING

    if settings.redis_url is None:
        raise Unwell("no address is named", way_out=f"Set {SETTING}.")
    return _answering(settings.redis_url, SETTING)


def _broker(settings: Settings) -> str:
    from crypto_assets.scale_out.broker import SETTING, broker_of

    return _answering(broker_of(settings).url, SETTING)


def _answering(url: SecretStr, setting: str) -> str:
    from crypto_assets.latest.connecting import dial, failures, named, place_of

    client = dial(url, setting=setting)
    try:
        client.ping()
        version = str(client.info("server").get("redis_version", "of unknown version"))
    except failures() as error:
        raise named(error, url, setting=setting) from None
    finally:
        client.close()
    return f"Redis {version} at {place_of(url)} answers"


def _workers(settings: Settings) -> str:
    from crypto_assets.scale_out.broker import broker_of
    from crypto_assets.scale_out.workers import most_runs_of, told_workers

    return told_workers(broker_of(settings), most_runs_of(settings.dagster_file))


def _addresses(settings: Settings) -> str:
    from crypto_assets.alerts.post import AlertPost

    shown = [one.shown() for one in AlertPost(settings.alert_urls, settings.ui_address, settings.profile).addresses()]
    return f"{len(shown)} named: {', '.join(shown)}; `crypto-assets alerts test` tries each"

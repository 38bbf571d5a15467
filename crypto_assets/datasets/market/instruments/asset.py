"""The asset market/instruments: the venue's list of markets, joined to what is known of them.

What belongs here: asking, the facts that our bars hold, writing, metadata. What does not: how rows change (history.py) and
when it runs (automation.py).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
from sqlalchemy import func, select

from crypto_assets.clients.exchange import Exchange, ListedMarket
from crypto_assets.datasets.market.instruments.history import Facts, Pause, Row, next_rows
from crypto_assets.datasets.market.instruments.table import DATASET
from crypto_assets.datasets.market.instruments.table import instruments as table
from crypto_assets.datasets.market.ohlcv.table import DATASET as BARS
from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.partitions import Grids
from crypto_assets.quality.coverage import read_gaps
from crypto_assets.quality.gaps import Evidence, State
from crypto_assets.resources import Exchanges, UniverseFile
from crypto_assets.schema.dagster_schema import table_schema
from crypto_assets.universe import TIMEFRAME_LENGTH, Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.lease import lease
from crypto_assets.warehouse.read import read_frame
from crypto_assets.warehouse.write import WriteCounts, upsert

# Asked once a day: a missed day is worth a look, three mean that it stands still.
FRESHNESS = dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=30), fail_window=timedelta(hours=78))
# The list is asked for again tomorrow, and the client has tried several times: one more try, soon.
RETRY = dg.RetryPolicy(max_retries=1, delay=5)
POOL = "venues"
SHOWN_CHANGES = 100
# Venues delist a few markets a day; more than this share at once is half an answer.
MAX_GONE_SHARE = 0.5


class ListIncomplete(CryptoAssetsError):
    """A venue's list lacks most of the markets that it had."""


@dataclass(frozen=True)
class Refresh:
    """What a look at one venue's list came to."""

    venue: str
    listed: int
    counts: WriteCounts
    changes: Sequence[tuple[str, str]]


def build_asset(grids: Grids) -> dg.AssetsDefinition:
    """The asset over the grids of the universe in force; automation.py adds when it runs."""

    @dg.asset(
        key=dg.AssetKey(DATASET.split("/")),
        partitions_def=grids.venues,
        backfill_policy=dg.BackfillPolicy.single_run(),
        freshness_policy=FRESHNESS,
        retry_policy=RETRY,
        pool=POOL,
        group_name="market",
        kinds={"python", "postgres"},
        metadata={"dagster/column_schema": table_schema(table), "dagster/table_name": table.fullname},
        description="Every market of a venue with its listing dates and steps, and what it was before.",
    )
    def instruments(
        context: dg.AssetExecutionContext,
        warehouse: dg.ResourceParam[Warehouse],
        universe_file: dg.ResourceParam[UniverseFile],
        exchanges: dg.ResourceParam[Exchanges],
    ) -> dg.MaterializeResult[None]:
        refreshed = []
        try:
            universe = universe_file.in_force().universe
            for venue in sorted(context.partition_keys):
                exchange = exchanges.client(venue, universe)
                try:
                    with lease(warehouse, f"venue {venue}"):
                        refreshed.append(refresh(warehouse, exchange, universe))
                finally:
                    exchange.close()
                context.log.info("%s lists %d markets", venue, refreshed[-1].listed)
        except CryptoAssetsError as error:
            raise dg.Failure(str(error)) from error
        return dg.MaterializeResult(metadata=describe(refreshed))

    return instruments


def refresh(warehouse: Warehouse, exchange: Exchange, universe: Universe) -> Refresh:
    """Bring one venue's rows up to date.

    Raises:
        ProviderError: the venue did not give its list, and nothing was written.
        ListIncomplete: it gave half of it, and nothing was written.
    """
    venue, now = exchange.name, datetime.now(UTC)
    listed = {market.symbol: market for market in exchange.markets()}
    stored = _stored(warehouse, venue)
    _require_most(venue, {symbol for symbol, rows in stored.items() if rows[-1].valid_to is None}, listed)
    collected = {market.symbol for market in universe.venue(venue).markets}
    rows: dict[str, list[Row]] = {}
    for symbol in sorted({*listed, *stored}):
        known = stored.get(symbol, [])
        facts = (
            _facts(warehouse, exchange, universe, listed.get(symbol), symbol, known) if symbol in collected else Facts()
        )
        rows[symbol] = next_rows(known, listed.get(symbol), facts, now, universe.gaps.relisted_price_ratio)
    changed = {
        symbol: [replace(row, known_at=now) for row in wanted if row not in stored.get(symbol, [])]
        for symbol, wanted in rows.items()
    }
    changed = {symbol: wanted for symbol, wanted in changed.items() if wanted}
    counts = WriteCounts(0, 0, 0, 0)
    if changed:
        with warehouse.connect() as connection:
            counts = upsert(connection, table, _batch(venue, changed))
    told = [(symbol, _told(symbol in stored, wanted[-1])) for symbol, wanted in changed.items()]
    return Refresh(venue, len(listed), counts, told)


def describe(refreshed: Sequence[Refresh]) -> dict[str, dg.MetadataValue[Any]]:
    """What the run shows in the UI: counts, and which markets changed."""
    changes = [
        dg.TableRecord({"venue": one.venue, "symbol": symbol, "change": told})
        for one in refreshed
        for symbol, told in one.changes[:SHOWN_CHANGES]
    ]
    metadata: dict[str, dg.MetadataValue[Any]] = {
        "dagster/row_count": dg.MetadataValue.int(sum(one.listed for one in refreshed)),
        "rows_written": dg.MetadataValue.int(sum(one.counts.inserted for one in refreshed)),
        "rows_changed": dg.MetadataValue.int(sum(one.counts.changed for one in refreshed)),
    }
    if changes:
        metadata["changes"] = dg.MetadataValue.table(records=changes)
    return metadata


def _require_most(venue: str, known: Collection[str], listed: Collection[str]) -> None:
    """Refuse a list that lacks most of what it had: half an answer would end every other market.

    Raises:
        ListIncomplete: naming the numbers.
    """
    gone = set(known) - set(listed)
    if known and len(gone) > MAX_GONE_SHARE * len(known):
        raise ListIncomplete(
            f"{venue} lists {len(listed)} markets, and of {len(known)} known ones lacks {len(gone)}; nothing was changed",
            way_out="Look at the venue's own list; the next run asks again.",
        )


def _told(is_known: bool, row: Row) -> str:
    if not is_known:
        return f"new, listed {row.listed_at:%Y-%m-%d %H:%M}" if row.listed_at else "new"
    return f"gone since {row.delisted_at:%Y-%m-%d %H:%M}" if row.status == "gone" else f"changed, {row.status}"


def _stored(warehouse: Warehouse, venue: str) -> dict[str, list[Row]]:
    names = [one.name for one in fields(Row)]
    statement = select(table.c.symbol, *(table.c[name] for name in names)).where(table.c.venue == venue)
    rows: dict[str, list[Row]] = {}
    for record in read_frame(warehouse, statement.order_by(table.c.symbol, table.c.valid_from)).to_dict("records"):
        values = {name: _plain(record[name]) for name in names}
        rows.setdefault(str(record["symbol"]), []).append(Row(**values))
    return rows


def _facts(
    warehouse: Warehouse,
    exchange: Exchange,
    universe: Universe,
    listed: ListedMarket | None,
    symbol: str,
    known: Sequence[Row],
) -> Facts:
    c = ohlcv.c
    ends = select(func.min(c.opened_at).label("first"), func.max(c.known_at).label("last"))
    row = read_frame(warehouse, ends.where(c.venue == exchange.name, c.symbol == symbol)).to_dict("records")[0]
    first, last = _plain(row["first"]), _plain(row["last"])
    knows_listing = any(one.listed_at for one in known) or (listed is not None and listed.listed_at is not None)
    if listed is not None and not knows_listing:
        served = exchange.first_bar(symbol, _finest(universe, exchange, symbol))
        # Bars of a venue that no longer serves its first ones do not say when trading began.
        first = min(moment for moment in (first, served) if moment) if served else None
    return Facts(first, last, _pauses(warehouse, exchange.name, symbol, known))


def _finest(universe: Universe, exchange: Exchange, symbol: str) -> str:
    served = exchange.timeframes()
    wanted = [frame for frame in universe.timeframes_of(exchange.name, symbol) if frame in served]
    return min(wanted, key=lambda frame: TIMEFRAME_LENGTH[frame], default="1d")


def _pauses(warehouse: Warehouse, venue: str, symbol: str, known: Sequence[Row]) -> list[Pause]:
    """Halts that the ledger names, at the shortest bars that have them, and the return from a delisting."""
    gaps = read_gaps(warehouse, dataset=BARS, venue=venue, symbol=symbol, state=State.NOT_LISTED.value)
    halts = [
        (row["timeframe"], row["gap_start"].to_pydatetime())
        for row in gaps.to_dict("records")
        if Evidence.model_validate_json(row["evidence"]).is_halt
    ]
    finest = min((frame for frame, _ in halts), key=lambda frame: TIMEFRAME_LENGTH[frame], default=None)
    starts = {start for frame, start in halts if frame == finest}
    ended = [row.delisted_at for row in known if row.delisted_at is not None and row.valid_to is None]
    return [_pause(warehouse, venue, symbol, start) for start in sorted({*starts, *ended})]


def _pause(warehouse: Warehouse, venue: str, symbol: str, start: datetime) -> Pause:
    c = ohlcv.c
    here = (c.venue == venue, c.symbol == symbol)
    before = (
        select(c.close).where(*here, c.opened_at < start, c.known_at <= start).order_by(c.opened_at.desc()).limit(1)
    )
    after = select(c.opened_at, c.open).where(*here, c.opened_at >= start).order_by(c.opened_at).limit(1)
    last, following = read_frame(warehouse, before), read_frame(warehouse, after)
    if following.empty:
        return Pause(start)
    end = following["opened_at"].iloc[0].to_pydatetime()
    if last.empty:
        return Pause(start, end)
    ratio = float(following["open"].iloc[0]) / float(last["close"].iloc[0])
    return Pause(start, end, max(ratio, 1 / ratio))


def _batch(venue: str, changed: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    flat = [(symbol, row) for symbol, rows in changed.items() for row in rows]
    batch: dict[str, Any] = {"venue": venue, "source": f"{venue} markets"}
    batch["symbol"] = np.array([symbol for symbol, _ in flat], dtype=object)
    for one in fields(Row):
        values = [getattr(row, one.name) for _, row in flat]
        if one.name.endswith(("_at", "_from", "_to")):
            batch[one.name] = np.array([_wall(value) for value in values], dtype="datetime64[us]")
        elif one.name.endswith("_size"):
            batch[one.name] = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        else:
            batch[one.name] = np.array(values, dtype=object)
    return batch


def _wall(moment: datetime | None) -> np.datetime64:
    return np.datetime64("NaT") if moment is None else np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")


def _plain(value: Any) -> Any:
    """A cell as Python holds it: None for what is null, datetime for a time."""
    if pd.isna(value):
        return None
    return value.to_pydatetime() if isinstance(value, pd.Timestamp) else value

"""In which bars nothing was traded, as a pool's trades tell.

What belongs here: reading that proof, for whoever has to tell quiet from missing. What does not: the ledger of bars
(pool_ohlcv/quiet.py) and proving that trades are whole (continuity.py).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name

from crypto_assets.datasets.dex.pool_trades.continuity import series_of
from crypto_assets.quality.coverage import read_open
from crypto_assets.spans import Span, ceiled, difference, floored, intersection, union
from crypto_assets.universe import DexRules
from crypto_assets.warehouse.collected import read_collected
from crypto_assets.warehouse.detached import away_spans

_BARS_TRADED = """
SELECT DISTINCT date_bin(%(length)s, traded_at, timestamptz '1970-01-01 00:00:00+00') FROM dex.pool_trades
 WHERE network = %(network)s AND pool_address = %(pool)s AND traded_at >= %(start)s AND traded_at < %(end)s
"""
_WITH_MINIMUM = """
SELECT valid_from, valid_to FROM dex.watchlist WHERE network = %s AND pool_address = %s AND min_trade_usd > 0
"""
_FAR = datetime(9999, 1, 1, tzinfo=UTC)


def untraded_spans(
    connection: Connection, network: str, address: str, length: timedelta, window: Span, rules: DexRules
) -> list[Span]:
    """The bars of a window in which a pool was not traded for sure: its trades were collected throughout, and none is there.

    While an entry of the watchlist asked for trades of some value only, smaller ones are unknown: nothing is told of then.

    Args:
        length: Of a bar; bars begin at whole multiples of it.
        window: From one bar's beginning to another's.
    """
    known = _whole_time(connection, network, address, window, rules)
    bars = [(ceiled(start, length), floored(end, length)) for start, end in known]
    bars = [(start, end) for start, end in bars if start < end]
    if not bars:
        return []
    asked = {"network": network, "pool": address, "length": length, "start": bars[0][0], "end": bars[-1][1]}
    with connection.cursor() as cursor:
        cursor.execute(_BARS_TRADED, asked)
        traded = [(at.astimezone(UTC), at.astimezone(UTC) + length) for (at,) in cursor.fetchall()]
    return difference(bars, traded)


def _whole_time(connection: Connection, network: str, address: str, window: Span, rules: DexRules) -> list[Span]:
    """The time of a window for which every trade of a pool is stored."""
    key = series_of(network, address)
    collected = intersection(read_collected(connection, *key.values()), [window])
    collected = difference(collected, away_spans(connection, "dex.pool_trades", window))
    if not collected:
        return []
    lost = [gap.span for gap in read_open(connection, key, window)]
    with connection.cursor() as cursor:
        cursor.execute(_WITH_MINIMUM, (network, address))
        # An entry's first page reaches back as far as the window of trades does.
        back = timedelta(hours=rules.window_hours)
        partly = [(since.astimezone(UTC) - back, until.astimezone(UTC) if until else _FAR) for since, until in cursor]
    return difference(collected, union([*lost, *partly]))

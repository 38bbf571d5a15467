"""Pools as features: by address, by what was known, null where it was not; values checked by hand."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from sqlalchemy import select

from crypto_assets.datasets.dex.pool_trades.continuity import name_lost, series_of
from crypto_assets.datasets.dex.pool_trades.table import pool_trades
from crypto_assets.datasets.dex.pools.table import pools
from crypto_assets.datasets.dex.watchlist.table import watchlist
from crypto_assets.datasets.features.derived_asset import DerivedConfig
from crypto_assets.datasets.features.ml_features import dex_pools, pool_totals
from crypto_assets.datasets.features.ml_features import run as features
from crypto_assets.datasets.features.ml_features.catalog import FEATURES
from crypto_assets.datasets.features.ml_features.checks import RULES
from crypto_assets.datasets.features.ml_features.dex_set import FEATURES as DEX
from crypto_assets.datasets.features.ml_features.inputs import INPUTS
from crypto_assets.datasets.features.ml_features.load import load_features
from crypto_assets.datasets.features.ml_features.proof import no_look_ahead
from crypto_assets.datasets.features.ml_features.table import ml_features
from crypto_assets.datasets.features.source import Source
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.coverage import SeriesKey
from crypto_assets.universe import TIMEFRAME_LENGTH, DexRules, read_universe
from crypto_assets.warehouse.collected import mark_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import Reader, read_frame, reading
from crypto_assets.warehouse.write import Batch, upsert
from crypto_assets_tests.datasets.features.stage import Stage

SOL = "So11111111111111111111111111111111111111112"
FAKE_SOL = "So1FakeFakeFakeFakeFakeFakeFakeFakeFakeFake"
USDC, MEME = "USDCxxxxxxxxxxxxxxxxxxxx", "MEMExxxxxxxxxxxxxxxxxxxx"
WETH = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"
WBTC = "0x2260fac5e5542a773aa44fbcfedf7c193bc2c599"
FIRST = datetime(2024, 1, 20, tzinfo=UTC)  # behind the warm-up of a week
HOUR, MINUTE, MICROSECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(microseconds=1)
NAMES = [one.name for one in DEX]

_LIFE = """
INSERT INTO dex.pool_lives (network, pool_address, dex, base_token, quote_token, first_seen_at, last_seen_at, asked_at,
                            source, known_at)
VALUES (%s, %s, 'd', %s, %s, %s, %s, %s, 'test', %s) ON CONFLICT DO NOTHING
"""


@pytest.fixture
def stage(tmp_path: Path, warehouse: Warehouse) -> Iterator[Stage]:
    with dg.DagsterInstance.ephemeral() as instance:
        stage = Stage(tmp_path, warehouse, instance)
        stage.seed()
        yield stage


def _wall(at: datetime) -> np.datetime64:
    return np.datetime64(at.replace(tzinfo=None), "us")


def _store_pool(
    warehouse: Warehouse,
    address: str,
    tokens: tuple[str, str],
    snapshots: Sequence[tuple[datetime, dict[str, object]]],
    *,
    network: str = "solana",
    symbols: tuple[str, str] = ("X", "Y"),
    born: datetime | None = None,
) -> None:
    """A pool's life and snapshots; each known at once unless it says `known_at`."""
    first = born or min((at for at, _ in snapshots), default=FIRST)
    rows = [
        {
            "snapshot_at": at, "known_at": at, "is_listed": True, "reserve_usd": 1000.0, "volume_usd_1h": 100.0,
            "buys_1h": 1, "sells_1h": 1, "buys_24h": 9, "sells_24h": 9, **told,
        }
        for at, told in snapshots
    ]  # fmt: skip
    who: Batch = {"network": network, "pool_address": address, "base_token": tokens[0], "quote_token": tokens[1]}
    about: Batch = {"dex": "d", "name": "", "base_symbol": symbols[0], "quote_symbol": symbols[1], "found_in": "top"}
    with warehouse.connect() as connection:
        with connection.cursor() as cursor:
            cursor.execute(_LIFE, (network, address, *tokens, first, first, first, first))
        if rows:
            told = {name: _column(name, [row[name] for row in rows]) for name in rows[0]}
            upsert(connection, pools, {**who, **about, **told, "source": "test"})


def _column(name: str, values: Sequence[object]) -> np.ndarray:  # type: ignore[type-arg]
    if name.endswith("_at"):
        return np.array([_wall(one) for one in values])  # type: ignore[arg-type]
    if "_usd" in name:
        return np.array([np.nan if one is None else one for one in values], dtype=np.float64)
    return np.array(values, dtype=bool if name == "is_listed" else object)


def _every(minutes: int, start: datetime, end: datetime, **told: object) -> list[tuple[datetime, dict[str, object]]]:
    count = (end - start) // (minutes * MINUTE)
    return [(start + place * minutes * MINUTE, dict(told)) for place in range(count + 1)]


def _watch(warehouse: Warehouse, address: str, since: datetime, until: datetime | None = None) -> None:
    times = {name: np.array([_wall(since)]) for name in ("valid_from", "resolved_at", "known_at")}
    if until:
        times["valid_to"] = np.array([_wall(until)])
    entry: Batch = {
        "network": "solana", "address": address, "pool_address": address, "address_type": "pool", "symbol": "",
        "min_trade_usd": np.array([0.0]), "note": "", "source": "test",
    }  # fmt: skip
    with warehouse.connect() as connection:
        upsert(connection, watchlist, {**entry, **times})


def _store_trades(warehouse: Warehouse, address: str, trades: Sequence[tuple[datetime, str, float]]) -> None:
    at = np.array([_wall(one) for one, _, _ in trades])
    values = np.array([value for _, _, value in trades])
    batch: Batch = {
        "network": "solana", "pool_address": address, "traded_at": at, "known_at": at + np.timedelta64(60, "s"),
        "tx_hash": np.array([f"{address}{place}" for place in range(len(trades))], dtype=object),
        "ordinal": 0, "block_number": 1, "side": np.array([side for _, side, _ in trades], dtype=object),
        "price_usd": np.ones(len(at)), "amount_base": values, "amount_quote": values, "volume_usd": values,
        "sender": "s", "source": "test",
    }  # fmt: skip
    with warehouse.connect() as connection:
        upsert(connection, pool_trades, batch)


def _collected(warehouse: Warehouse, address: str, start: datetime, end: datetime) -> None:
    with warehouse.connect() as connection:
        mark_collected(connection, *series_of("solana", address).values(), start, end)


def _derive(stage: Stage, *symbols: str, start: datetime | None = None, end: datetime | None = None) -> pd.DataFrame:
    universe, _ = read_universe(stage.file)
    window = VenueWindow("binance", start or datetime(2024, 1, 1, tzinfo=UTC), end or datetime(2024, 2, 1, tzinfo=UTC))
    config = DerivedConfig(markets=list(symbols or ("SOL/USDT",)))
    features.compute_window(stage.warehouse, universe, window, config, lambda _derived: None)
    c = ml_features.c
    chosen = select(ml_features).where(c.symbol.in_(symbols or ("SOL/USDT",)), c.venue == "binance")
    return read_frame(stage.warehouse, chosen.order_by(c.symbol, c.opened_at)).set_index("opened_at")


def test_the_newest_known_snapshots_of_living_pools_of_the_token_add_up(stage: Stage) -> None:
    close, put = FIRST + HOUR, stage.warehouse
    _store_pool(
        put, "base", (SOL, USDC),
        [
            (close - 30 * MINUTE, {"reserve_usd": 900.0}),
            (close - 10 * MINUTE, {"reserve_usd": 1000.0, "buys_1h": 30, "sells_1h": 10}),
            (close + MICROSECOND, {"reserve_usd": 5e6}),
            (close - MINUTE, {"reserve_usd": 7e6, "known_at": close + MICROSECOND}),
        ],
    )  # fmt: skip
    quote = {"reserve_usd": 3000.0, "buys_1h": 20, "sells_1h": 40}  # the meme was sold for SOL 40 times
    _store_pool(put, "quote", (MEME, SOL), [(close, quote)])
    _store_pool(put, "spoof", (FAKE_SOL, USDC), [(close - MINUTE, {"reserve_usd": 1e9})], symbols=("SOL", "USDC"))
    gone = {"is_listed": False, "reserve_usd": None}
    _store_pool(put, "gone", (SOL, USDC), [(close - 20 * MINUTE, {}), (close - 2 * MINUTE, gone)])
    drained = {"reserve_usd": 99.0, "buys_24h": 0, "sells_24h": 0}
    _store_pool(put, "drained", (SOL, USDC), [(close - MINUTE, drained)])
    _store_pool(put, "old", (SOL, USDC), [(close - HOUR - MICROSECOND, {"reserve_usd": 1e9})])
    _store_pool(put, "untold", (SOL, USDC), [(close - MINUTE, {"reserve_usd": None, "buys_1h": None})])
    rows = _derive(stage)
    first = rows.loc[FIRST]
    assert first["dex_reserve"] == pytest.approx(np.log(4000))
    assert first["dex_turnover_1h"] == pytest.approx(200 / 4000)
    assert first["dex_buy_share_1h"] == pytest.approx((30 + 40) / (40 + 60))
    assert first["dex_pools"] == 3  # the one that tells neither reserve nor purchases is there all the same
    # An hour later: 7e6 was known a microsecond after the first close but is more than an hour old at the second.
    assert rows.loc[FIRST + HOUR, "dex_reserve"] == pytest.approx(np.log(5e6 + 3000.0))
    assert rows["dex_reserve"].count() == 3  # 'old' was known at the close before
    assert rows[["dex_net_buying", "dex_new_pools_24h"]].isna().all(axis=None)


def test_a_pool_of_two_assets_counts_for_its_base_token_only_and_others_have_nothing(stage: Stage) -> None:
    told_at = FIRST + HOUR - MINUTE
    _store_pool(stage.warehouse, "both", (WBTC, WETH), [(told_at, {"reserve_usd": 500.0})], network="ethereum")
    _store_pool(stage.warehouse, "weth", (WETH, USDC), [(told_at, {"reserve_usd": 80.0})], network="ethereum")
    _store_pool(stage.warehouse, "elsewhere", (WETH, USDC), [(told_at, {"reserve_usd": 7.0})], network="solana")
    rows = _derive(stage, "BTC/USDT", "ETH/USDT", "XRP/USDT").set_index("symbol", append=True)
    reserve = rows["dex_reserve"].dropna()
    assert dict(reserve.round(5)) == {
        (FIRST, "BTC/USDT"): pytest.approx(np.log(500), abs=1e-5),
        (FIRST, "ETH/USDT"): pytest.approx(np.log(80), abs=1e-5),
    }


def test_the_reserve_changes_against_a_day_before_and_new_pools_are_counted_only_in_a_whole_day(stage: Stage) -> None:
    end = FIRST + 60 * HOUR
    _store_pool(stage.warehouse, "old", (SOL, USDC), _every(20, FIRST, FIRST + 30 * HOUR, reserve_usd=1000.0))
    after = _every(20, FIRST + 30 * HOUR + 20 * MINUTE, end, reserve_usd=2000.0)
    _store_pool(stage.warehouse, "old", (SOL, USDC), after, born=FIRST)
    for number, hours in enumerate((10, 26, 26)):
        born = FIRST + hours * HOUR
        tokens = (MEME, SOL) if number else (SOL, USDC)
        _store_pool(stage.warehouse, f"new{number}", tokens, [], born=born)
    _store_pool(stage.warehouse, "fake", (FAKE_SOL, USDC), [], born=FIRST + 26 * HOUR, symbols=("SOL", "USDC"))
    rows = _derive(stage)
    new = rows["dex_new_pools_24h"].dropna()
    # A bar's close is an hour behind its opening: the first whole day is over at the close of the hour FIRST + 23 h.
    assert new.index[0] == FIRST + 23 * HOUR
    told = {hours: new.loc[FIRST + hours * HOUR] for hours in (23, 24, 25, 33, 48, 49)}
    assert told == {23: 1, 24: 1, 25: 3, 33: 2, 48: 2, 49: 0}
    change = rows["dex_reserve_change_24"].dropna()
    assert change.loc[FIRST + 28 * HOUR] == 0
    assert change.loc[FIRST + 30 * HOUR] == pytest.approx(np.log(2))
    assert new.index[-1] == FIRST + 60 * HOUR  # 60 h closes with the last snapshot an hour old


def test_a_hole_of_an_hour_leaves_the_number_of_new_pools_unknown_for_a_day(stage: Stage) -> None:
    told = _every(20, FIRST, FIRST + 30 * HOUR) + _every(20, FIRST + 32 * HOUR, FIRST + 70 * HOUR)
    _store_pool(stage.warehouse, "old", (SOL, USDC), told)
    new = _derive(stage)["dex_new_pools_24h"].loc[FIRST + 23 * HOUR : FIRST + 70 * HOUR]  # type: ignore[misc]
    assert new.loc[: FIRST + 30 * HOUR].notna().all()  # type: ignore[misc]
    assert new.loc[FIRST + 31 * HOUR : FIRST + 54 * HOUR].isna().all()  # type: ignore[misc]
    assert new.loc[FIRST + 55 * HOUR :].notna().all()  # type: ignore[misc]


def test_net_buying_needs_the_whole_bar_of_every_watched_pool(stage: Stage) -> None:
    put = stage.warehouse
    for address, tokens in (("a", (SOL, USDC)), ("b", (MEME, SOL)), ("fake", (FAKE_SOL, USDC))):
        _store_pool(put, address, tokens, [(FIRST, {})])
        _collected(put, address, FIRST - 3 * HOUR, FIRST + 9 * HOUR - 2 * MINUTE)
    _watch(put, "a", FIRST - 2 * HOUR)
    _watch(put, "fake", FIRST - 2 * HOUR)
    _watch(put, "b", FIRST + 5 * HOUR - 2 * MINUTE, FIRST + 8 * HOUR)
    at = {name: FIRST + minutes * MINUTE for name, minutes in (("early", 10), ("last", 59), ("third", 150))}
    _store_trades(
        put, "a",
        [
            (at["early"], "buy", 300.0), (at["last"] - MICROSECOND, "sell", 100.0), (at["last"], "buy", 1000.0),
            (at["third"], "buy", 5.0), (FIRST + 5 * HOUR + MINUTE, "buy", 60.0), (FIRST + 8.5 * HOUR, "buy", 60.0),
            (FIRST + 7.5 * HOUR, "buy", 10.0), (FIRST + 6.5 * HOUR, "buy", 10.0),
        ],
    )  # fmt: skip
    _store_trades(put, "b", [(FIRST + 5 * HOUR + 2 * MINUTE, "buy", 20.0)])  # the meme was bought: SOL was sold
    _store_trades(put, "fake", [(at["early"], "sell", 1e6)])
    with put.connect() as connection:
        gap = FIRST + 2 * HOUR + 30 * MINUTE, FIRST + 2 * HOUR + 31 * MINUTE
        name_lost(connection, series_of("solana", "a"), gap, "test", FIRST)
        lost = FIRST + 6 * HOUR + 30 * MINUTE, FIRST + 6 * HOUR + 31 * MINUTE
        name_lost(connection, series_of("solana", "b"), lost, "test", FIRST)
    net = _derive(stage)["dex_net_buying"].dropna()
    told = {(at - FIRST) // HOUR: value for at, value in net.items()}  # type: ignore[operator]
    assert told == {
        0: pytest.approx(0.5),  # (300 - 100) / 400; the trade of the last minute is known after the close
        1: 1.0,
        # 2: a hole; 3 and 4: nothing traded; 6: the other watched pool has a hole; 8: not wholly collected
        5: pytest.approx(0.5),  # (60 - 20) / 80
        7: 1.0,  # the other one leaves the watchlist at this very close
    }


def test_months_and_hours_computed_alone_give_the_bits_of_one_run(stage: Stage) -> None:
    end = FIRST + 15 * 24 * HOUR
    numbers = np.random.default_rng(7)
    for place in range(9):
        tokens = (SOL, USDC) if place % 2 else (MEME, SOL)
        told = [
            (at + place * MINUTE, {"reserve_usd": float(numbers.random() * 1e6 / 3), "volume_usd_1h": 10 / 3})
            for at, _ in _every(30 * (1 + place), FIRST, end)
        ]
        _store_pool(stage.warehouse, f"pool{place}", tokens, told, born=FIRST + place * 20 * HOUR)
    _watch(stage.warehouse, "pool1", FIRST)
    _collected(stage.warehouse, "pool1", FIRST, end)
    trades = [(FIRST + 7 * place * MINUTE, "buy" if place % 3 else "sell", float(place) / 3) for place in range(3000)]
    _store_trades(stage.warehouse, "pool1", trades)
    last = datetime(2024, 3, 1, tzinfo=UTC)
    whole = _derive(stage, end=last)[NAMES]
    assert (whole.count() > 200).all()
    cuts = (FIRST - 5 * HOUR, FIRST + 3 * HOUR, FIRST + 77 * HOUR, datetime(2024, 2, 1, tzinfo=UTC), last)
    for start, stop in pairwise(cuts):
        again = _derive(stage, start=start, end=stop)[NAMES]
    pd.testing.assert_frame_equal(again, whole, check_exact=True)


_TRADES = [(FIRST + 11 * place * MINUTE, "buy" if place % 3 else "sell", 1.0 + place) for place in range(390)]


def _seed_days(stage: Stage, collected_until: datetime = FIRST + 73 * HOUR) -> None:
    for place in range(4):
        told = _every(25, FIRST - 48 * HOUR + place * MINUTE, FIRST + 72 * HOUR)
        for number, (_, values) in enumerate(told):
            values["reserve_usd"] = 1000.0 + (number * 37 + place * 11) % 97
        _store_pool(stage.warehouse, f"pool{place}", (SOL, USDC), told)
    _store_pool(stage.warehouse, "young", (MEME, SOL), [], born=FIRST + 60 * HOUR)
    _watch(stage.warehouse, "pool0", FIRST)
    _collected(stage.warehouse, "pool0", FIRST, collected_until)
    _store_trades(stage.warehouse, "pool0", [one for one in _TRADES if one[0] < collected_until])


def test_no_feature_of_pools_knows_the_future_and_the_check_would_see_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    _seed_days(stage)
    stage.file.write_text(stage.file.read_text().replace("[BTC/USDT, ETH/USDT, SOL/USDT, XRP/USDT]", "[SOL/USDT]"))
    assert (_derive(stage)[NAMES].count() > 24).all()
    universe, _ = read_universe(stage.file)
    window = VenueWindow("binance", FIRST, FIRST + 72 * HOUR)
    prove = no_look_ahead(tuple(FEATURES.values()))
    [finding] = prove(stage.warehouse, universe, window)
    assert finding.failed == 0
    [same] = [rule for rule in RULES if rule.name == "sample_equals_recomputed"]
    assert sum(one.failed for one in same.look(stage.warehouse, universe, window)) == 0

    def by_period(grid: pool_totals.Grid, rows: pool_totals.Snapshots, max_age: timedelta) -> object:
        early = pool_totals.Snapshots(rows.pool, rows.snapshot_at, rows.known_at - np.timedelta64(30, "m"), rows.values)
        return pool_totals.newest_sums(grid, early, max_age)

    monkeypatch.setattr(dex_pools, "newest_sums", by_period)
    [leaky] = prove(stage.warehouse, universe, window)
    assert leaky.failed
    assert "dex_reserve" in leaky.example


def test_what_was_computed_then_is_rebuilt_after_pools_were_revised_and_more_came(stage: Stage) -> None:
    until = FIRST + 50 * HOUR + 20 * MINUTE
    _seed_days(stage, until)
    _derive(stage)
    span = FIRST, FIRST + 72 * HOUR

    def ask(as_of: datetime | None) -> pd.DataFrame:
        return load_features(stage.warehouse, "binance", ["SOL/USDT"], "1h", *span, as_of, columns=NAMES)

    before = ask(None)
    with stage.warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row = cursor.fetchone()
    assert row
    then = row[0].astimezone(UTC)
    _store_pool(stage.warehouse, "pool1", (SOL, USDC), _every(25, FIRST - 48 * HOUR + MINUTE, FIRST + 72 * HOUR))
    _store_trades(stage.warehouse, "pool0", _TRADES)
    _collected(stage.warehouse, "pool0", until, FIRST + 73 * HOUR)
    _derive(stage)
    assert ask(None)["dex_net_buying"].count() > before["dex_net_buying"].count() > 40
    assert not ask(None)["dex_reserve"].equals(before["dex_reserve"])
    pd.testing.assert_frame_equal(ask(then), before, check_exact=True)


@pytest.mark.parametrize("timeframe", ["5m", "4h"])
def test_pools_of_any_length_of_bar_are_the_same_from_any_window_in_pieces_of_any_size(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, timeframe: str
) -> None:
    end = FIRST + 96 * HOUR
    for place in range(3):
        _store_pool(warehouse, f"pool{place}", (SOL, USDC), _every(25 + place, FIRST, end), born=FIRST + 30 * HOUR)
    key = SeriesKey("market/ohlcv", "binance", "SOL/USDT", timeframe)

    def read(start: datetime) -> dict[str, list[float]]:
        with reading(warehouse) as reader:
            [rows] = dex_pools.pools_known(Source(reader, dex=DexRules()), key, start, end)
        assert (rows.known_at == rows.observed_at).all()
        return {name: rows.values[name][-200:].tolist() for name in dex_pools.POOL_COLUMNS}

    start = end - min(200 * TIMEFRAME_LENGTH[timeframe], 48 * HOUR)
    count = (end - start) // TIMEFRAME_LENGTH[timeframe]
    alone = read(start)
    assert np.isfinite(alone["pool_births"]).all()
    whole = {name: values[-count:] for name, values in read(FIRST).items()}
    assert alone == whole
    monkeypatch.setattr(dex_pools, "_DAYS_AT_ONCE", timedelta(hours=9))
    assert read(start) == whole


def test_without_pools_a_currency_costs_one_question_a_reader_and_one_without_tokens_none(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    arrow = Reader.arrow

    def noted(self: Reader, statement: object, values: object = None) -> object:
        asked.append(str(statement))
        return arrow(self, statement, values)  # type: ignore[arg-type]

    monkeypatch.setattr(Reader, "arrow", noted)
    _derive(stage, "XRP/USDT", end=datetime(2024, 3, 1, tzinfo=UTC))
    assert [one for one in asked if " dex." in one] == []
    _derive(stage, end=datetime(2024, 3, 1, tzinfo=UTC))
    of_pools = [one for one in asked if " dex." in one]
    assert len(of_pools) == 1
    assert "dex.pool_lives" in of_pools[0]


def test_inputs_that_are_not_read_from_the_start_reach_as_far_as_their_features_look_back() -> None:
    for one in INPUTS.values():
        if one.reach_bars is None:
            continue
        looking = [feature for feature in FEATURES.values() if set(feature.inputs) & set(one.columns)]
        assert looking
        assert max(feature.horizon + feature.scaling.warm_up for feature in looking) <= one.reach_bars

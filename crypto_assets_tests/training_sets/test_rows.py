"""What a set holds, that it comes out the same again after everything was revised, and what can be learned from it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from crypto_assets.datasets.features.labels.table import HORIZONS
from crypto_assets.datasets.features.ml_features.catalog import FEATURES, feature_version
from crypto_assets.datasets.models.catalog import forecast
from crypto_assets.datasets.models.registry import train
from crypto_assets.datasets.models.registry.history import FeaturesOutdated
from crypto_assets.forecasting.artefacts import Store
from crypto_assets.forecasting.frame import SeriesName
from crypto_assets.training_sets import verify as module
from crypto_assets.training_sets.catalog import listed, named_by
from crypto_assets.training_sets.columns import NOT_REBUILT
from crypto_assets.training_sets.create import create
from crypto_assets.training_sets.learning import history_of, refuse_unfit, train_on
from crypto_assets.training_sets.loading import open_set
from crypto_assets.training_sets.refusals import SetRefused
from crypto_assets.training_sets.sources import tables_of
from crypto_assets.training_sets.verify import ROWS, verify
from crypto_assets.training_sets.writing import Step
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import Reader, Statement
from crypto_assets_tests.datasets.models.registry.stage import FAST
from crypto_assets_tests.datasets.models.rows import START as NEW_YEAR
from crypto_assets_tests.datasets.models.rows import quotes
from crypto_assets_tests.training_sets import world
from crypto_assets_tests.training_sets.conftest import Frozen
from crypto_assets_tests.training_sets.world import END, HOUR, HOURS, START, SYMBOLS


def test_its_rows_are_those_of_the_tables_to_the_last_bit(frozen: Frozen) -> None:
    rows = open_set(frozen.shelf, "before", frozen.warehouse).frame()
    assert len(rows) == 4 * HOURS - 10
    keys = ["venue", "symbol", "timeframe", "opened_at", "known_at"]
    names = [*keys, *FEATURES]
    plain = rows.astype(dict.fromkeys(keys[:3], "str"))
    pd.testing.assert_frame_equal(plain[names], frozen.features[names], check_exact=True, check_dtype=False)
    assert set(rows[list(FEATURES)].dtypes.astype(str)) == {"float32"}
    assert str(rows["opened_at"].dtype) == "datetime64[us, UTC]"
    for horizon in HORIZONS:
        there = frozen.labels[frozen.labels["horizon_bars"] == horizon].reset_index(drop=True)
        mine = plain[plain[f"forward_return_{horizon}"].notna()].reset_index(drop=True)
        assert len(mine) == len(there) > 1_000
        for name in ("label_end_at", "forward_return", "forward_volatility"):
            np.testing.assert_array_equal(mine[f"{name}_{horizon}"], there[name])


def test_values_by_hand(frozen: Frozen) -> None:
    rows = open_set(frozen.shelf, "before", frozen.warehouse).frame(venue="binance", symbol="ETH/USDT")
    close = frozen.frame.now[frozen.frame.code == 1]  # of ETH, from what was stored then
    at = rows.set_index("opened_at").loc[START + 100 * HOUR]
    assert at["close"] == close[100]
    assert at["return_1"] == np.float32(close[100] / close[99] - 1)
    assert at["forward_return_4"] == close[104] / close[100] - 1
    assert at["known_at"] == START + 101 * HOUR
    assert at["label_end_at_4"] == START + 105 * HOUR
    assert at["macro_ten_year_yield"] == 4
    assert rows["forward_return_1"].isna().tolist() == [False] * (HOURS - 1) + [True]  # its hour had not come
    assert at["close"] != world.close_of(frozen.warehouse, "ETH/USDT", 100)  # by now it is another


def test_it_is_verified_after_late_revisions_of_everything(frozen: Frozen, monkeypatch: pytest.MonkeyPatch) -> None:
    """And every table that is read meanwhile keeps its former rows, but for those whose columns are said to be lost."""
    read, steps = set[str](), list[Step]()
    arrow = Reader.arrow

    def noted(reader: Reader, statement: Statement, values: Mapping[str, object] | None = None) -> pa.Table:
        read.update(re.findall(r"(?:FROM|JOIN) ([a-z]+\.[a-z_]+)", reader._with_values(statement, values)))
        return arrow(reader, statement, values)

    chosen = open_set(frozen.shelf, "before", frozen.warehouse)
    monkeypatch.setattr(Reader, "arrow", noted)
    found = verify(frozen.warehouse, chosen, tell=steps.append)
    monkeypatch.undo()
    assert (found.state, found.differences, found.rebuilt_hash) == ("verified", [], frozen.manifest.row_hash.sha256)
    assert found.rows == frozen.manifest.rows == steps[-1].rows
    assert [(one.done, one.of) for one in steps] == [(number, 8) for number in range(1, 9)]
    row = listed(frozen.warehouse, "before")
    assert (row.state, row.verified_at is not None) == ("verified", True)
    # The table itself tells something else by now, in columns of every source that was revised.
    now, _ = world.stored(frozen.warehouse)
    changed = [name for name in FEATURES if not np.array_equal(now[name], frozen.features[name], equal_nan=True)]
    assert {"return_1", "breadth_rising_24", "venue_premium", "macro_ten_year_yield", "sentiment_fear_greed"} < set(
        changed
    )
    assert any(name.startswith("fee") for name in changed)
    assert any(name.startswith("onchain") for name in changed)
    with frozen.warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE tgfoid = 'audit.keep_revision()'::regprocedure"
        )
        kept = {name for (name,) in cursor.fetchall()} | {"audit.revisions"}
    sources = set(tables_of(frozen.manifest.question.columns))
    assert sources <= kept
    assert read & kept <= sources
    # Which series were ever collected only adds markets that have no bar at the moment; the catalog is no source.
    lost = read - kept - {"ops.training_sets", "ops.archived_partitions"}
    assert lost == {"ops.collected_ranges", "dex.pool_lives", "market.arbitrage_opportunities"}
    assert all(name in " ".join(NOT_REBUILT.values()) for name in lost)


def test_as_of_asks_for_what_stood_then_and_makes_the_same_set_again(frozen: Frozen) -> None:
    asked = world.asked("then", as_of=frozen.manifest.question.as_of, markets=["ETH/USDT", "BTC/USDT", "SOL/USDT"])
    again = create(frozen.warehouse, world.universe(), frozen.shelf, asked)
    # okx has bars of BTC by now; as of then it had none.
    assert [(one.venue, one.symbol, one.rows) for one in again.markets] == [
        (one.venue, one.symbol, one.rows) for one in frozen.manifest.markets
    ]
    assert again.row_hash == frozen.manifest.row_hash


def test_the_row_hash_is_what_it_says(frozen: Frozen) -> None:
    """Computed from the Parquet files by nothing but its description."""
    manifest = frozen.manifest
    rows = open_set(frozen.shelf, "before", frozen.warehouse).frame()
    names = manifest.row_hash.columns
    assert set(names) == {one.name for one in manifest.schema_ if one.is_rebuilt} - {"venue", "symbol", "timeframe"}
    told = hashlib.sha256((",".join(names) + "\n").encode())
    for (venue, symbol), market in rows.groupby(["venue", "symbol"], observed=True):
        columns = []
        for name in names:
            values = market[name].to_numpy()
            if market[name].dtype.kind == "M":
                columns.append(market[name].dt.tz_localize(None).to_numpy().astype("datetime64[us]").astype("<i8"))
            else:
                columns.append(np.where(np.isnan(values), values.dtype.type(np.nan), values))
        laid = np.rec.fromarrays(columns)
        digest = hashlib.sha256(laid.tobytes()).hexdigest()
        [one] = [one for one in manifest.markets if (one.venue, one.symbol) == (venue, symbol)]
        assert digest == one.sha256
        told.update(f"{venue}|{symbol}|1h|{len(market)}|{digest}\n".encode())
    assert told.hexdigest() == manifest.row_hash.sha256


def test_the_manifest_counts_rows_holes_and_coverage(frozen: Frozen) -> None:
    manifest = frozen.manifest
    assert manifest.code.feature_version == feature_version()
    assert [(one.venue, one.symbol) for one in manifest.markets] == [
        *(("binance", symbol) for symbol in SYMBOLS), ("gate", "ETH/USDT")
    ]  # fmt: skip
    solana = manifest.markets[2]
    assert (solana.rows, solana.due, solana.holes, solana.unlabelled) == (
        HOURS - 10, HOURS, {"missing": 4, "venue_quiet": 4}, 2,
    )  # fmt: skip
    assert (manifest.markets[0].holes, manifest.markets[0].unlabelled) == ({}, 0)
    assert (solana.first, solana.last) == (START, END - HOUR)
    said = {one.name: one for one in manifest.schema_}
    assert said["return_1"].unit == "fraction"
    assert (said["close"].coverage, said["hour_of_day_sin"].coverage, said["trade_intensity"].coverage) == (1, 1, 0)
    unknown = 4 * 24 + 10 + 20  # the last day of each market, and before SOL's hole: 24 bars less 4 filled by the quiet
    assert said["forward_return_24"].coverage == pytest.approx(1 - unknown / manifest.rows, abs=0.01)
    assert manifest.not_rebuilt == NOT_REBUILT
    assert [(file.path, file.rows) for file in manifest.files] == [
        ("binance_2023_1.parquet", 3 * 288), ("binance_2024_1.parquet", 3 * 512 - 10),
        ("gate_2023_1.parquet", 288), ("gate_2024_1.parquet", 512),
    ]  # fmt: skip
    assert sorted(path.name for path in frozen.folder.iterdir()) == sorted(
        ["manifest.json", *(file.path for file in manifest.files)]
    )
    row = listed(frozen.warehouse, "before")
    assert row.markets == {f"{one.venue}:{one.symbol}": one.rows for one in manifest.markets}
    assert (row.row_count, row.bytes, row.row_hash) == (manifest.rows, manifest.size, manifest.row_hash.sha256)
    assert row.manifest_sha256 == hashlib.sha256((frozen.folder / "manifest.json").read_bytes()).hexdigest()


@contextmanager
def _rewritten(warehouse: Warehouse, statement: str, back: str) -> Iterator[None]:
    """History falsified past the triggers that keep it, and put right again."""
    for each in (statement, back):
        with warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(each)
            assert cursor.rowcount == 1
        if each is statement:
            yield


def test_what_comes_out_otherwise_is_named_by_market_and_column(frozen: Frozen) -> None:
    made = create(
        frozen.warehouse, world.universe(), frozen.shelf,
        world.asked("few", venues=["binance"], columns=["close", "return_1"], horizons=[1]),
    )  # fmt: skip
    chosen = open_set(frozen.shelf, "few", frozen.warehouse)
    at = START + 200 * HOUR
    where = f"WHERE venue = 'binance' AND symbol = 'ETH/USDT' AND opened_at = '{at.isoformat()}'"
    twice, half = (f"UPDATE market.ohlcv SET close = close * {factor} {where}" for factor in (2, 0.5))  # noqa: S608
    with _rewritten(frozen.warehouse, twice, half):
        found = verify(frozen.warehouse, chosen)
        assert listed(frozen.warehouse, "few").state == "differs"
    told = {(one.symbol, one.column): (one.values, one.first_at) for one in found.differences}
    assert told == {
        ("ETH/USDT", "return_1"): (2, at), ("ETH/USDT", "close"): (1, at),
        ("ETH/USDT", "forward_return_1"): (2, at - HOUR), ("ETH/USDT", "forward_volatility_1"): (2, at - HOUR),
    }  # fmt: skip
    [close] = [one for one in found.differences if one.column == "close"]
    assert float(close.rebuilt) == pytest.approx(2 * float(close.frozen))
    assert (found.state, found.row_hash) == ("differs", made.row_hash.sha256)
    assert found.rebuilt_hash not in {"", found.row_hash}
    later, earlier = (
        f"UPDATE market.ohlcv SET ingested_at = ingested_at {sign} interval '1 day' {where}"  # noqa: S608
        for sign in "+-"
    )
    with _rewritten(frozen.warehouse, later, earlier):
        found = verify(frozen.warehouse, chosen)
    [lost] = [one for one in found.differences if one.column == ROWS]
    assert (lost.values, lost.first_at, lost.frozen, lost.rebuilt) == (1, at, "a row", "none")
    assert verify(frozen.warehouse, chosen).state == "verified"


def test_other_code_is_told(frozen: Frozen, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = open_set(frozen.shelf, "before", frozen.warehouse)
    code = frozen.manifest.code
    for other, told in (
        (code.model_copy(update={"feature_version": "other"}), "features of version"),
        (code.model_copy(update={"sha256": "0" * 64}), "by other code than this"),
    ):
        monkeypatch.setattr(module, "code_said", lambda other=other: other)
        found = verify(frozen.warehouse, chosen, files_only=True)
        assert told in found.notices[-1]
        assert (found.state, found.rebuilt_hash) == ("verified", "")


def test_questions_that_make_no_set_say_why(frozen: Frozen) -> None:
    now = datetime.now(world.START.tzinfo)
    questions: list[tuple[dict[str, object], type[Exception], str]] = [
        ({"name": "../x"}, SetRefused, "cannot be named"),
        ({"columns": ["rsi14"]}, SetRefused, "Unknown column 'rsi14'.*Did you mean rsi_14"),
        ({"horizons": [5]}, SetRefused, "No label looks 5 bars ahead.*1, 4, 24, 168"),
        ({"columns": ["arbitrage_best_pct_1h"], "timeframe": "1d"}, SetRefused, "told of each hour"),
        ({"markets": ["DOGE/USDT"]}, SetRefused, "Of DOGE/USDT nothing was ever collected.*Stored are BTC/USDT"),
        ({"timeframe": "4h"}, SetRefused, "bars of 4h"),
        ({"start": END, "end": START}, SetRefused, "Nothing lies between"),
        ({"start": START.replace(tzinfo=None)}, SetRefused, "Expected start with its time zone"),
        ({"as_of": now + timedelta(hours=1)}, SetRefused, "nothing stands yet"),
        ({"as_of": datetime(2020, 1, 1, tzinfo=START.tzinfo)}, SetRefused, "no bar .* had been ingested"),
    ]
    before = sorted(path.name for path in frozen.folder.parent.iterdir())
    for question, error, told in questions:
        with pytest.raises(error, match=f"(?s){told}"):
            create(frozen.warehouse, world.universe(), frozen.shelf, world.asked(**{"name": "no", **question}))  # type: ignore[arg-type]
    assert sorted(path.name for path in frozen.folder.parent.iterdir()) == before


def test_a_set_gives_the_frame_that_was_stored_when_it_was_made(frozen: Frozen) -> None:
    read = history_of(open_set(frozen.shelf, "before", frozen.warehouse), forecast("opportunity_4h"))
    ours, theirs = read.frame, frozen.frame
    assert (ours.names, ours.series) == (theirs.names, theirs.series)
    for name in ("code", "decided_at", "inputs", "now", "target", "target_known_at"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)
    assert len(ours.usable()) > 3_000
    assert (read.training_set, read.data_as_of) == ("before", frozen.manifest.question.as_of)


def test_a_model_that_learned_from_a_set_names_it(
    frozen: Frozen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "LEARNERS", {"lightgbm": lambda: FAST})
    chosen, steps = open_set(frozen.shelf, "before", frozen.warehouse), list[train.Step]()
    outcome = train_on(frozen.warehouse, Store(tmp_path), forecast("opportunity_1h"), chosen, tell=steps.append)
    [one] = outcome.versions
    assert one.registered.training_set == "before"
    assert one.registered.data_as_of == frozen.manifest.question.as_of
    assert list(map(str, named_by(frozen.warehouse, "before"))) == ["opportunity_1h version 1 (candidate)"]
    assert str(steps[0]) == "opportunity_1h: reads the training set before (1/9)"
    assert steps[-1].done + 1 == steps[-1].of


def test_what_a_forecast_cannot_learn_from_is_refused_in_words(frozen: Frozen) -> None:
    chosen = open_set(frozen.shelf, "before", frozen.warehouse)
    for name in ("gas_4h", "liquidity_spread_4h"):
        with pytest.raises(SetRefused, match=f"{name} learns from frames of its own"):
            history_of(chosen, forecast(name))
    few = create(
        frozen.warehouse,
        world.universe(),
        frozen.shelf,
        world.asked("narrow", columns=["close", "rsi_14"], horizons=[1]),
    )
    narrow = open_set(frozen.shelf, few.name, frozen.warehouse)
    with pytest.raises(SetRefused, match=r"narrow lacks return_1, .* and \d+ more, which opportunity_4h learns from"):
        refuse_unfit(narrow, forecast("opportunity_4h"))
    manifest = chosen.manifest
    daily = manifest.model_copy(update={"question": manifest.question.model_copy(update={"timeframe": "1d"})})
    with pytest.raises(SetRefused, match="has bars of 1d"):
        refuse_unfit(replace(chosen, manifest=daily), forecast("opportunity_4h"))
    older = manifest.model_copy(update={"code": manifest.code.model_copy(update={"feature_version": "older"})})
    with pytest.raises(FeaturesOutdated, match="will see features of version"):
        refuse_unfit(replace(chosen, manifest=older), forecast("opportunity_4h"))


def test_gaps_of_a_day_that_retention_took_out_are_not_known_and_never_none(frozen: Frozen) -> None:
    name, day, column = SeriesName("binance", "ETH/USDT"), NEW_YEAR, "arbitrage_seconds_log_1h"
    quotes(frozen.warehouse, name, range(1, 25))

    def made(set_name: str) -> list[float]:
        asked = world.asked(set_name, markets=[name.series], columns=[column], start=day, end=day + world.DAY)
        create(frozen.warehouse, world.universe(), frozen.shelf, asked)
        values = open_set(frozen.shelf, set_name, frozen.warehouse).frame([column], venue=name.domain)[column]
        return [float(value) for value in values]

    assert made("all-gaps") == [0.0] * 24  # somebody listened all day, and saw none
    with frozen.warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ops.archived_partitions (table_name, starts_at, number, ends_at, partition_name, outcome, table_bytes)"
            " VALUES ('market.arbitrage_opportunities', %s, 1, %s, 'p', 'dropped', 1)",
            (day, day + world.DAY),
        )
    assert np.isnan(made("no-gaps")).all()

"""What is stored, asked for through the client: frames, Arrow tables, parts, and questions that make no sense."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_assets import connect
from crypto_assets.client import (
    AnswerTooLarge,
    Client,
    ColumnUnknown,
    DatasetUnknown,
    LatestQuote,
    MomentUnclear,
    NameUnknown,
    PastUnknown,
    QuestionRefused,
)
from crypto_assets.client.questions import moment_of
from crypto_assets.client.rendering import RowsAwayWarning
from crypto_assets.warehouse.connection import DatabaseUnreachable, Warehouse
from crypto_assets.warehouse.detached import SpanAway
from crypto_assets_tests.client.world import HOUR, JANUARY, fill
from crypto_assets_tests.datasets.features.ml_features.outside import DAY, put_macro, put_metric, put_moods
from crypto_assets_tests.markets import store, walk


@pytest.fixture(scope="module")
def client(shared_warehouse: Warehouse) -> Iterator[Client]:
    fill(shared_warehouse)
    with connect(shared_warehouse.url) as client:
        yield client


def test_bars_of_a_span_come_in_order_with_their_types(client: Client) -> None:
    bars = client.bars("binance", "BTC/USDT", "1h", start=JANUARY + 2 * HOUR, end="2024-01-01T05:00")
    walked = walk(46, seed=1)
    assert bars["opened_at"].tolist() == [pd.Timestamp(JANUARY + n * HOUR) for n in (2, 3, 4)]
    assert bars["close"].tolist() == walked.close[2:5].tolist()
    assert str(bars["opened_at"].dtype) == "datetime64[us, UTC]"
    both = client.bars("binance", ["ETH/USDT", "BTC/USDT"], end=date(2024, 1, 1))
    assert both.empty
    assert client.bars()["symbol"].value_counts().to_dict() == {"BTC/USDT": 46, "ETH/USDT": 44}


def test_chosen_columns_come_with_the_key_and_in_the_tables_order(client: Client) -> None:
    bars = client.bars("binance", "BTC/USDT", columns=["close", "open", "close"])
    assert [*bars.columns] == ["venue", "symbol", "timeframe", "opened_at", "open", "close"]


def test_arrow_tables_are_the_same_rows_with_exact_numbers(client: Client) -> None:
    table = client.arrow.trades("okx", "BTC/USDT", columns=["price", "amount"])
    assert table.column("price").to_pylist() == ["100.10", "100.2", "100.3", "100.4"]
    assert table.column("amount").to_pylist()[-1] == "4.000"
    assert client.trades("okx", "BTC/USDT")["price"].tolist() == [100.1, 100.2, 100.3, 100.4]
    assert client.arrow.bars().num_rows == len(client.bars())


def test_parts_together_are_the_whole(shared_warehouse: Warehouse, client: Client) -> None:
    with connect(shared_warehouse.url, chunk_rows=17) as small:
        parts = [*small.chunks.bars("binance", start=JANUARY + HOUR)]
        empty = [*small.chunks.bars("binance", end=JANUARY)]
        exact = [len(part) for part in small.chunks.labels("binance")]
        quotes = [*small.chunks.quotes("mexc")]
    assert [len(part) for part in parts] == [17, 17, 17, 17, 17, 3]
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), client.bars("binance", start=JANUARY + HOUR))
    assert (empty, exact, len(quotes)) == ([], [4], 1)


def test_parts_of_every_dataset_follow_their_key(shared_warehouse: Warehouse, client: Client) -> None:
    with connect(shared_warehouse.url, chunk_rows=3) as small:
        counts = {name: sum(len(part) for part in small.chunks.rows(name)) for name in small.datasets()}
    assert {name: count for name, count in counts.items() if count} == {
        "features/labels": 4, "market/book_ticker_snapshots": 6, "market/ohlcv": 90, "market/order_books": 1,
        "market/tickers": 1, "market/trades": 4, "models/predictions": 3, "quality/coverage": 1, "sentiment/scores": 2,
    }  # fmt: skip


def test_an_answer_that_is_too_large_is_refused_and_the_way_out_works(
    shared_warehouse: Warehouse, client: Client
) -> None:
    with connect(shared_warehouse.url, most_rows=45) as small:
        for ask in (small.bars, small.arrow.bars):
            with pytest.raises(AnswerTooLarge, match=r"More than 45 rows of market.ohlcv .*client.chunks"):
                ask("binance", "BTC/USDT")
        assert len(small.bars("binance", "ETH/USDT")) == 44
        assert sum(len(part) for part in small.chunks.bars("binance", "BTC/USDT")) == 46
    with connect(shared_warehouse.url, most_rows=46) as enough:
        assert len(enough.bars("binance", "BTC/USDT")) == 46


def test_the_other_methods_ask_their_tables(client: Client) -> None:
    assert client.quotes("mexc", "BTC/USDT")["bid_price"].tolist() == [100.1] * 3
    assert client.quotes("mexc", "BTC/USDT", with_stale=False)["is_stale"].tolist() == [False] * 3
    assert client.order_books("okx")["spread_bps"].round(3).tolist() == [round((101 - 100.1) / 100.55 * 1e4, 3)]
    assert client.tickers("okx", "BTC/USDT")["last"].tolist() == [100.5]
    assert client.labels("binance", horizons=[4])["forward_return"].tolist() == [0.04, -0.04]
    assert client.predictions("gas_4h", start=JANUARY + HOUR)["level_now"].tolist() == [21.0, 22.0]
    assert client.scores("crypto-lexicon", "BTC")["score"].tolist() == [-0.5, 0.5]
    assert client.rows("sentiment/scores", {"label": ["positive"]})["news_id"].tolist() == ["2" * 64]
    empty = [client.instruments(), client.indicators(), client.features(), client.outcomes(), client.macro(),
             client.onchain(), client.network_fees(),
             client.pools(), client.pool_bars()]  # fmt: skip
    assert [len(frame) for frame in empty] == [0] * 9


def test_days_are_of_their_midnight(warehouse: Warehouse) -> None:
    days = [date(2024, 1, day) for day in (30, 31)]
    known = JANUARY + 40 * DAY
    put_metric(warehouse, "BTC", "active_addresses", [(day, known, 1.0) for day in days])
    put_macro(warehouse, "DGS10", "Daily", [(day, day, known, 4.0) for day in days])
    put_moods(warehouse, [(day, known, 50.0) for day in days])
    with connect(warehouse.url) as client:

        def told(**choice: str | date) -> list[list[int]]:
            """The days of January that each table answers with."""
            frames = (
                client.onchain("BTC", **choice)["observed_on"],  # type: ignore[arg-type]
                client.macro("DGS10", **choice)["period_on"],  # type: ignore[arg-type]
                client.rows("sentiment/fear_greed", **choice)["observed_on"],  # type: ignore[arg-type]
            )
            return [[pd.Timestamp(day).day for day in frame] for frame in frames]

        for end in (
            "2024-01-31",
            date(2024, 1, 31),
            "2024-01-31T00:00",
            "2024-01-30T00:00:01",
            "2024-01-31T02:00+02:00",
        ):
            assert told(end=end) == [[30]] * 3, end
        for end in ("2024-01-31T12:00", "2024-02-01", "2024-01-31T00:00:00.000001"):
            assert told(end=end) == [[30, 31]] * 3, end
        for start in ("2024-01-31", date(2024, 1, 31), "2024-01-30T12:00", "2024-01-30T00:00:00.000001"):
            assert told(start=start) == [[31]] * 3, start
        assert told(start="2024-01-31T12:00") == [[]] * 3
        assert told(start="2024-01-30T12:00", end="2024-01-31T12:00") == [[31]] * 3
        assert told(end="9999-12-31T12:00") == [[30, 31]] * 3  # there is no day to round up to


def test_gaps_are_told_where_they_overlap_the_span(client: Client) -> None:
    [gap] = client.coverage(venue="binance").to_dict("records")
    assert (gap["symbol"], gap["gap_start"], gap["gap_end"]) == ("ETH/USDT", JANUARY + 10 * HOUR, JANUARY + 12 * HOUR)
    assert gap["state"] == "missing"
    inside = {"start": JANUARY + 11 * HOUR, "end": JANUARY + 12 * HOUR}
    assert len(client.coverage("market/ohlcv", "binance", "ETH/USDT", "1h", states="missing", **inside)) == 1
    assert client.coverage(start=JANUARY + 12 * HOUR).empty
    assert client.coverage(end=JANUARY + 10 * HOUR).empty
    assert client.coverage(states=["repaired", "not_listed"]).empty
    assert client.coverage("market/trades").empty


def test_the_catalog_names_every_column_with_its_unit(client: Client) -> None:
    catalog = client.catalog("market/ohlcv").set_index("column")
    assert catalog.loc["close", ["unit", "type", "meaning"]].tolist() == [
        "quote currency", "double precision", "Price of the last trade",
    ]  # fmt: skip
    assert catalog.loc["opened_at", "type"] == "timestamp with time zone"
    assert catalog.index[catalog["is_key"]].tolist() == ["venue", "symbol", "timeframe", "opened_at"]
    for name in client.datasets():
        assert (client.catalog(name)["meaning"] != "").all(), name


def test_a_table_is_read_as_it_stood_before_a_correction(warehouse: Warehouse) -> None:
    store(warehouse, walk(5, seed=3), "BTC/USDT")
    with connect(warehouse.url, chunk_rows=2) as client:
        before = client.bars("binance", "BTC/USDT")
        at = before["ingested_at"].max().to_pydatetime()
        corrected = walk(5, seed=3)
        corrected.close[2] = corrected.high[2]
        store(warehouse, corrected, "BTC/USDT")
        now, then = client.bars(), client.bars(as_of=at)
        parts = pd.concat([*client.chunks.bars(as_of=at, columns=["close"])], ignore_index=True)
    assert now["close"].tolist() == corrected.close.tolist() != before["close"].tolist()
    pd.testing.assert_frame_equal(then, before)
    assert parts["close"].tolist() == before["close"].tolist()


def test_the_past_of_what_is_only_inserted_is_what_was_there(client: Client) -> None:
    assert client.quotes("mexc", as_of="2020-01-01").empty
    assert len(client.quotes("mexc", as_of=datetime.now(UTC))) == 6


@pytest.mark.parametrize("ask", [Client.features, Client.indicators, Client.labels], ids=lambda ask: ask.__name__)
def test_derived_tables_have_no_past_and_say_so(client: Client, ask: Callable[..., pd.DataFrame]) -> None:
    with pytest.raises(PastUnknown, match="derived and does not keep what its rows were before"):
        ask(client, as_of=JANUARY)


@pytest.mark.parametrize(
    ("question", "error", "says"),
    [
        (lambda client: client.bars("binanc"), NameUnknown, "Did you mean binance?"),
        (lambda client: client.bars("binance", "BTC/USDC"), NameUnknown, "Did you mean BTC/USDT"),
        (lambda client: client.bars("binance", ["BTC/USDT", "btc/usdt"]), NameUnknown, "Did you mean BTC/USDT"),
        (lambda client: client.bars("okx", "ETH/USDT"), NameUnknown, "of okx"),
        (lambda client: client.bars("binance", "BTC/USDT", "1H"), NameUnknown, "Did you mean 1h?"),
        (lambda client: client.predictions("gas_5h"), NameUnknown, "Did you mean gas_4h?"),
        (lambda client: client.latest_quote("mexc", "BTC/USTD"), NameUnknown, "Did you mean BTC/USDT"),
        (lambda client: client.latest_prediction("gas_4h", "ethereum", "fee"), NameUnknown, "Did you mean base_fee?"),
        (lambda client: client.bars(columns=["closes"]), ColumnUnknown, "Did you mean close?"),
        (lambda client: client.rows("market/ohlcv", {"venues": "binance"}), ColumnUnknown, "Did you mean venue?"),
        (lambda client: client.rows("market/ohlcv", {"close": "1"}), ColumnUnknown, "no column of text 'close'"),
        (lambda client: client.rows("market/ohlc"), DatasetUnknown, "Did you mean market/ohlcv"),
        (lambda client: client.rows("../etc/passwd"), DatasetUnknown, "There are dex/dexes"),
        (lambda client: client.catalog("market"), DatasetUnknown, "market/"),
        (lambda client: client.coverage("market/ohvlc"), DatasetUnknown, "Did you mean market/ohlcv"),
        (lambda client: client.coverage(states="mising"), QuestionRefused, "Did you mean missing?"),
        (lambda client: client.coverage(states=["missing", "x"]), QuestionRefused, "There are missing, venue_quiet"),
        (lambda client: client.bars(start="yesterday"), MomentUnclear, "no ISO 8601 time"),
        (lambda client: client.bars(end=datetime(2024, 1, 1)), MomentUnclear, "without a time zone"),  # noqa: DTZ001
        (lambda client: client.bars("binance", []), QuestionRefused, "An empty list of names"),
        (lambda client: client.bars("bin\0ance"), QuestionRefused, "is no name"),
        (lambda client: client.bars("\ud800"), QuestionRefused, "is no name"),
        (lambda client: client.bars([7]), QuestionRefused, "7 is no name"),  # type: ignore[list-item]
        (lambda client: client.latest_bar("binance", "BTC\0", "1h"), QuestionRefused, "is no name"),
        (lambda client: client.watch(int, "mexc"), QuestionRefused, "is no kind of value"),  # type: ignore[type-var]
        (lambda client: client.watch(LatestQuote, "mexcc"), NameUnknown, "Did you mean mexc?"),
        (lambda client: client.watch(LatestQuote, "mexc", "BTC/USDT", "x"), QuestionRefused, "named by venue, symbol, and 3"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_words(
    client: Client, question: Callable[[Client], object], error: type[Exception], says: str
) -> None:
    with pytest.raises(error) as refusal:
        question(client)
    assert says in str(refusal.value)


@settings(max_examples=5, deadline=None)
@given(name=st.text(st.characters(), max_size=30))
def test_names_are_values_and_never_statements(client: Client, name: str) -> None:
    with pytest.raises(QuestionRefused):
        client.bars("binance", f"'; DROP TABLE market.ohlcv; --{name}")
    assert len(client.bars("binance")) == 90


def test_moments_are_utc_unless_they_say_otherwise() -> None:
    noon = datetime(2024, 1, 1, 12, tzinfo=UTC)
    for told in ("2024-01-01T12:00", "2024-01-01T14:00+02:00", noon, noon.astimezone(timezone(timedelta(hours=-5)))):
        assert moment_of(told, "start") == noon
    assert moment_of(date(2024, 1, 1), "start") == datetime(2024, 1, 1, tzinfo=UTC)
    assert moment_of(pd.Timestamp("2024-01-01T12:00", tz="UTC"), "start") == noon


def test_a_name_that_comes_later_is_found_then(warehouse: Warehouse) -> None:
    with connect(warehouse.url) as client:
        with pytest.raises(NameUnknown, match="`crypto-assets status`"):
            client.bars("binance", "BTC/USDT")
        store(warehouse, walk(2), "BTC/USDT")
        assert len(client.bars("binance", "BTC/USDT")) == 2
        assert client.trades("binance", "BTC/USDT").empty  # known, and nobody collected its trades


def test_an_address_that_cannot_be_reached_is_named_without_its_password() -> None:
    for address in ("postgresql://me:canary@127.0.0.1:1/x", "mysql://me:canary@h/x", "postgresql://me:canary@h:x/y"):
        with pytest.raises(DatabaseUnreachable) as failure:
            connect(address)
        assert "canary" not in f"{failure.value} {failure.value.__cause__!r}"


def test_importing_the_package_is_cheap_and_connect_is_found() -> None:
    script = (
        "import sys, crypto_assets; assert not {'pandas', 'pyarrow', 'sqlalchemy', 'redis'} & set(sys.modules);"
        " from crypto_assets import connect; assert callable(connect); assert 'dagster' not in sys.modules;"
        " assert 'redis' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_rows_that_retention_took_away_are_never_silently_less(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ops.archived_partitions (table_name, starts_at, number, ends_at, partition_name, outcome, table_bytes)"
            " VALUES ('market.ohlcv', '2023-01-01', 1, '2024-01-01', 'ohlcv_2023', 'dropped', 0)"
        )
    with connect(warehouse.url.get_secret_value()) as client:
        with pytest.raises(SpanAway, match=r"market\.ohlcv of 2023 was dropped"):
            client.bars(start="2023-06-01", end="2024-06-01")
        assert client.bars(start="2024-01-01").empty
        with pytest.warns(RowsAwayWarning, match="2023-01-01 to 2024-01-01 are not in it"):
            client.bars(end="2024-06-01")

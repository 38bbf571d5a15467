"""Collecting trades through the real client on the sandbox into a real PostgreSQL: whole, once, proven or labelled."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pandas as pd
import pytest
from sqlalchemy import func, select

from crypto_assets.clients.exchange import Exchange
from crypto_assets.clients.exchange_trades import layout_of
from crypto_assets.clients.trade_rows import parse_trades
from crypto_assets.datasets.market.trades.collect import build_rows, resume_from, series_of, take_turn, wanted_spans
from crypto_assets.datasets.market.trades.continuity import find_holes, prove
from crypto_assets.datasets.market.trades.table import DATASET, trades
from crypto_assets.quality.coverage import coverage, read_gaps
from crypto_assets.sandbox.absences import Absence
from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.market import SeededMarket
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.schema.bookkeeping import quarantine
from crypto_assets.universe import Gaps
from crypto_assets.warehouse.collected import mark_collected, read_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame
from crypto_assets_tests.playing import NOW, exchange_of

START = NOW.replace(second=0) - timedelta(hours=4)
END = START + timedelta(minutes=12)
SYMBOL = "BTC/USDT"
MANY = 1000  # pages: as many as it takes


def _exchange(sandbox: SandboxProcess, venue: str) -> Exchange:
    exchange = exchange_of(sandbox.url, venue)
    exchange.symbols()
    return exchange


def _truth(venue: str, symbol: str = SYMBOL) -> int:
    now_ms = int(NOW.timestamp() * 1000)
    market = SeededMarket(SandboxConfig().seed, lambda: now_ms)
    return len(market.trades(venue, symbol, int(START.timestamp() * 1000), int(END.timestamp() * 1000)))


def _stored(warehouse: Warehouse) -> pd.DataFrame:
    return read_frame(warehouse, select(trades).order_by(trades.c.traded_at, trades.c.sequence))


def _gaps(warehouse: Warehouse, state: str = "missing") -> pd.DataFrame:
    return read_gaps(warehouse, dataset=DATASET, state=state)


def _let_an_hour_pass(warehouse: Warehouse) -> None:
    """Since the gaps were asked for."""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE quality.coverage SET evidence = jsonb_set(evidence, '{asked,0,at}', to_jsonb(now() - interval '61 min'))"
        )


@pytest.mark.parametrize("venue", ["binance", "mexc", "okx"])
def test_a_span_is_stored_whole_and_asked_for_once(warehouse: Warehouse, sandbox: SandboxProcess, venue: str) -> None:
    exchange, key = _exchange(sandbox, venue), series_of(venue, SYMBOL)
    turned = take_turn(warehouse, exchange, SYMBOL, wanted_spans(warehouse, key, (START, END)), most_pages=MANY)
    outcome, holes = prove(warehouse, exchange, SYMBOL, turned.spans, Gaps())
    assert (turned.outcome.inserted, turned.has_more, turned.error) == (_truth(venue), False, None)
    assert (outcome.received, holes, len(_gaps(warehouse))) == (0, 0, 0)
    with warehouse.connect() as connection:
        assert read_collected(connection, *key.values()) == [(START, END)]
    assert wanted_spans(warehouse, key, (START, END)) == []
    frame = _stored(warehouse)
    assert len(frame) == _truth(venue)
    assert (frame["known_at"] == frame["traded_at"]).all()
    assert set(frame["side"]) == {"buy", "sell"}


def test_prices_amounts_and_costs_keep_every_digit(warehouse: Warehouse, sandbox: SandboxProcess) -> None:
    exchange = _exchange(sandbox, "binance")
    take_turn(warehouse, exchange, SYMBOL, [(START, START + timedelta(minutes=1))], most_pages=MANY)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT price, amount, cost FROM market.trades")
        rows = cursor.fetchall()
        cursor.execute("SELECT sum(amount), sum(cost) FROM market.trades")
        sums = cursor.fetchone()
    assert rows
    assert all(isinstance(value, Decimal) for row in rows for value in row)
    assert all(price * amount == cost for price, amount, cost in rows)
    assert sums == (sum(row[1] for row in rows), sum(row[2] for row in rows))


def test_a_second_collecting_of_the_same_writes_nothing(warehouse: Warehouse, sandbox: SandboxProcess) -> None:
    for venue in ("binance", "mexc"):
        exchange = _exchange(sandbox, venue)
        first = take_turn(warehouse, exchange, SYMBOL, [(START, END)], most_pages=MANY).outcome
        again = take_turn(warehouse, exchange, SYMBOL, [(START, END)], most_pages=MANY).outcome
        assert (again.received, again.inserted, again.changed) == (first.received, 0, 0)


def test_a_turn_ends_after_its_pages_and_the_next_one_goes_on(warehouse: Warehouse, sandbox: SandboxProcess) -> None:
    for venue in ("kraken", "okx"):
        symbol = "BTC/USD" if venue == "kraken" else SYMBOL
        exchange, key = _exchange(sandbox, venue), series_of(venue, symbol)
        turns, stored = 0, 0
        while spans := wanted_spans(warehouse, key, (START, END)):
            turned = take_turn(warehouse, exchange, symbol, spans, most_pages=1)
            stored += turned.outcome.inserted
            turns += 1
            assert turned.has_more == bool(wanted_spans(warehouse, key, (START, END)))
        assert turns > 1
        assert stored == _truth(venue, symbol)


def test_missing_numbers_are_asked_for_again_at_once_and_a_passing_fault_leaves_no_trace(
    warehouse: Warehouse, sandbox: SandboxProcess
) -> None:
    exchange = _exchange(sandbox, "binance")
    sandbox.set_faults([Fault(kind="missing_trades", bars=5, times=1, route="aggTrades")])
    turned = take_turn(warehouse, exchange, SYMBOL, [(START, END)], most_pages=MANY)
    assert turned.outcome.inserted == _truth("binance") - 5
    again, holes = prove(warehouse, exchange, SYMBOL, turned.spans, Gaps())
    assert (again.inserted, holes) == (5, 0)
    assert len(_stored(warehouse)) == _truth("binance")
    assert _gaps(warehouse).empty


def test_numbers_that_stay_missing_stand_in_the_ledger_until_they_come(
    warehouse: Warehouse, sandbox: SandboxProcess
) -> None:
    exchange, key = _exchange(sandbox, "coinbase"), series_of("coinbase", "BTC/USD")
    lost = (START + timedelta(minutes=3), START + timedelta(minutes=4))
    sandbox.set_absences([Absence(venue="coinbase", symbol="BTC/USD", start=lost[0], end=lost[1])])
    try:
        turned = take_turn(warehouse, exchange, "BTC/USD", [(START, END)], most_pages=MANY)
        _, holes = prove(warehouse, exchange, "BTC/USD", turned.spans, Gaps())
        assert holes == 1
        (gap,) = _gaps(warehouse).to_dict("records")
        assert gap["gap_start"] <= pd.Timestamp(lost[0])
        assert gap["gap_end"] >= pd.Timestamp(lost[1]) - pd.Timedelta(seconds=5)
        (hole,) = find_holes(warehouse, key, (START, END))
        assert gap["why"].endswith(f"without holes, and {hole.before + 1} to {hole.after - 1} did not come.")
        told = coverage(warehouse, DATASET, "coinbase", "BTC/USD", START, END)
        assert list(told["state"]) == ["present", "missing", "present"]
    finally:
        sandbox.set_absences([])
    _let_an_hour_pass(warehouse)
    again, _ = prove(warehouse, exchange, "BTC/USD", [], Gaps())
    assert again.inserted == hole.missing
    assert len(_stored(warehouse)) == _truth("coinbase", "BTC/USD")
    assert _gaps(warehouse).empty
    assert len(_gaps(warehouse, "repaired")) == 1


def test_a_gap_that_is_answered_often_enough_is_called_unrecoverable(
    warehouse: Warehouse, sandbox: SandboxProcess
) -> None:
    exchange = _exchange(sandbox, "okx")
    lost = (START + timedelta(minutes=3), START + timedelta(minutes=4))
    sandbox.set_absences([Absence(venue="okx", symbol=SYMBOL, start=lost[0], end=lost[1])])
    rules = Gaps(max_attempts=2, first_wait_minutes=1, wait_factor=1)
    try:
        turned = take_turn(warehouse, exchange, SYMBOL, [(START, END)], most_pages=MANY)
        prove(warehouse, exchange, SYMBOL, turned.spans, rules)
        _let_an_hour_pass(warehouse)
        prove(warehouse, exchange, SYMBOL, [], rules)
    finally:
        sandbox.set_absences([])
    (gap,) = _gaps(warehouse, "unrecoverable").to_dict("records")
    assert "did not come" in gap["why"]


def test_where_numbers_prove_nothing_an_unreadable_row_doubts_its_page(
    warehouse: Warehouse, sandbox: SandboxProcess
) -> None:
    exchange = _exchange(sandbox, "mexc")
    sandbox.set_faults([Fault(kind="null_rows", bars=2, times=2, route="aggTrades")])
    turned = take_turn(warehouse, exchange, SYMBOL, [(START, END)], most_pages=MANY)
    assert turned.outcome.quarantined == 2
    (gap,) = _gaps(warehouse).to_dict("records")
    assert gap["why"].startswith("2 rows of the answer could not be read")
    kept = read_frame(
        warehouse, select(quarantine.c.reason, quarantine.c.payload).where(quarantine.c.dataset == DATASET)
    )
    assert set(kept["payload"]) == {"null"}
    again, _ = prove(warehouse, exchange, SYMBOL, [], Gaps())
    assert again.inserted == 2
    assert _gaps(warehouse).empty


def test_good_trades_land_beside_two_that_quarrel_about_an_id(warehouse: Warehouse, sandbox: SandboxProcess) -> None:
    exchange = _exchange(sandbox, "binance")
    sandbox.set_faults([Fault(kind="duplicate_trades", route="aggTrades")])
    turned = take_turn(warehouse, exchange, SYMBOL, [(START, END)], most_pages=MANY)
    assert (turned.outcome.inserted, turned.outcome.quarantined) == (_truth("binance"), 0)


def test_a_failure_keeps_what_came_before_and_says_so(warehouse: Warehouse, sandbox: SandboxProcess) -> None:
    exchange, key = _exchange(sandbox, "kraken"), series_of("kraken", "BTC/USD")
    take_turn(warehouse, exchange, "BTC/USD", [(START, END)], most_pages=1)
    sandbox.set_faults([Fault(kind="unavailable", as_json=False)])
    turned = take_turn(warehouse, exchange, "BTC/USD", wanted_spans(warehouse, key, (START, END)), most_pages=MANY)
    assert turned.outcome.failed
    assert "kraken answered 503" in turned.outcome.warning
    sandbox.clear_faults()
    take_turn(warehouse, exchange, "BTC/USD", wanted_spans(warehouse, key, (START, END)), most_pages=MANY)
    assert len(_stored(warehouse)) == _truth("kraken", "BTC/USD")


def test_a_scheduled_run_goes_on_where_the_last_one_ended(warehouse: Warehouse) -> None:
    key, first = series_of("binance", SYMBOL), timedelta(minutes=15)
    day = datetime(2026, 3, 10, tzinfo=UTC)
    window, now = (day, day + timedelta(days=1)), day + timedelta(hours=12)
    assert resume_from(warehouse, key, window, first, now) == now - first
    assert resume_from(warehouse, key, window, first, day + timedelta(minutes=5)) == day
    with warehouse.connect() as connection:
        mark_collected(connection, *key.values(), day - timedelta(hours=1), day - timedelta(minutes=4))
    assert resume_from(warehouse, key, window, first, now) == day
    with warehouse.connect() as connection:
        mark_collected(connection, *key.values(), day + timedelta(hours=9), day + timedelta(hours=10))
    assert resume_from(warehouse, key, window, first, now) == day + timedelta(hours=10)


def test_every_key_is_there_once(warehouse: Warehouse, sandbox: SandboxProcess) -> None:
    exchange = _exchange(sandbox, "mexc")
    take_turn(warehouse, exchange, SYMBOL, [(START, END)], most_pages=MANY)
    c = trades.c
    keys = select(func.count().label("rows"), func.count(func.distinct(c.trade_id)).label("ids"))
    row = read_frame(warehouse, keys).iloc[0]
    assert row["rows"] == row["ids"] == _truth("mexc")


def test_paging_backwards_from_now_comes_to_its_end_turn_by_turn(warehouse: Warehouse) -> None:
    with SandboxProcess(SandboxConfig()) as live:  # its clock is the real one
        exchange, key = _exchange(live, "okx"), series_of("okx", SYMBOL)
        now = datetime.now(UTC)
        window = (now - timedelta(minutes=4), now + timedelta(hours=1))
        for _ in range(20):
            spans = wanted_spans(warehouse, key, window)
            if not take_turn(warehouse, exchange, SYMBOL, spans, most_pages=2).has_more:
                break
        with warehouse.connect() as connection:
            [span] = read_collected(connection, *key.values())
    assert span[0] == window[0]
    assert span[1] > now - timedelta(seconds=30)


def test_a_cost_of_many_digits_is_exact() -> None:
    row = {"id": 1, "create_time_ms": "1773129600000.5", "side": "buy", "price": "0.12345678901234567891"}
    row["amount"] = "9876543210.12345678"
    batch = build_rows(series_of("gate", SYMBOL), parse_trades([row], layout_of("gate")))
    whole = 12345678901234567891 * 987654321012345678
    assert str(batch["cost"][0]).replace(".", "").lstrip("0") == str(whole)  # type: ignore[index]

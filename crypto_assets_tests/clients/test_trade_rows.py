"""Raw trade rows become columns: each venue's layout by hand, every digit, and what is refused."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import ccxt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.clients.trade_rows import (
    NO_TRADES,
    TRADE_LAYOUTS,
    Trades,
    join_trades,
    parse_trades,
)

T0 = 1_772_366_400_000  # 2026-03-01 12:00:00 UTC, ms
US = T0 * 1000

# One buy and one sell of each venue, oldest first: 64000.10 and 0.00250, then 63999.9 and 1, 123 ms later.
ROWS: Mapping[str, list[object]] = {
    "binance": [
        {"a": 7, "p": "64000.10", "q": "0.00250", "f": 70, "l": 72, "T": T0, "m": False, "M": True},
        {"a": 8, "p": "63999.9", "q": "1", "f": 73, "l": 73, "T": T0 + 123, "m": True, "M": True},
    ],
    "mexc": [
        {"a": None, "p": "64000.10", "q": "0.00250", "f": None, "l": None, "T": T0, "m": False, "M": True},
        {"a": None, "p": "63999.9", "q": "1", "f": None, "l": None, "T": T0 + 123, "m": True, "M": True},
    ],
    "gate": [
        {
            "id": "7", "create_time": "1772366400", "create_time_ms": "1772366400000.000000",
            "currency_pair": "BTC_USDT", "side": "buy", "amount": "0.00250", "price": "64000.10",
        },
        {
            "id": "8", "create_time": "1772366400", "create_time_ms": "1772366400123.000000",
            "currency_pair": "BTC_USDT", "side": "sell", "amount": "1", "price": "63999.9",
        },
    ],
    "kraken": [
        ["64000.10", "0.00250", 1772366400.0, "b", "m", "", 7],
        ["63999.9", "1", 1772366400.123, "s", "l", "", 8],
    ],
    "coinbase": [
        {
            "trade_id": "7", "product_id": "BTC-USD", "price": "64000.10", "size": "0.00250",
            "time": "2026-03-01T12:00:00Z", "side": "BUY", "bid": "", "ask": "",
        },
        {
            "trade_id": "8", "product_id": "BTC-USD", "price": "63999.9", "size": "1",
            "time": "2026-03-01T12:00:00.123Z", "side": "SELL", "bid": "", "ask": "",
        },
    ],
    "okx": [
        {"instId": "BTC-USDT", "side": "buy", "sz": "0.00250", "px": "64000.10", "tradeId": "7", "ts": str(T0)},
        {"instId": "BTC-USDT", "side": "sell", "sz": "1", "px": "63999.9", "tradeId": "8", "ts": str(T0 + 123)},
    ],
}  # fmt: skip
VENUES = sorted(ROWS)
_NAN = float("nan")  # one object, which a list finds equal to itself
NUMBERED = [venue for venue in VENUES if venue != "mexc"]


def _parse(venue: str, rows: list[object]) -> Trades:
    layout = TRADE_LAYOUTS[venue]
    return parse_trades(rows[::-1] if layout.newest_first else rows, layout)


def _binance(**changed: object) -> dict[str, object]:
    return {"a": 7, "p": "64000.10", "q": "0.00250", "f": 70, "l": 72, "T": T0, "m": False} | changed


def _mexc(time: int, price: str = "1.5", amount: str = "2", *, is_maker_buyer: bool = False) -> dict[str, object]:
    return {"a": None, "p": price, "q": amount, "f": None, "l": None, "T": time, "m": is_maker_buyer, "M": True}


@pytest.mark.parametrize("venue", VENUES)
def test_each_venues_row_is_read_with_its_digits_its_side_and_its_time(venue: str) -> None:
    trades = _parse(venue, ROWS[venue])
    assert trades.traded_at_us.tolist() == [US, US + 123_000]
    assert list(trades.price) == ["64000.10", "63999.9"]
    assert list(trades.amount) == ["0.00250", "1"]
    assert trades.is_buy.tolist() == [True, False]
    assert (trades.refused, trades.repeated) == ((), 0)


@pytest.mark.parametrize("venue", NUMBERED)
def test_the_venues_own_number_is_id_and_sequence(venue: str) -> None:
    trades = _parse(venue, ROWS[venue])
    assert (list(trades.trade_id), trades.sequence.tolist()) == (["7", "8"], [7, 8])


@pytest.mark.parametrize("venue", VENUES)
def test_a_row_counts_the_matches_it_adds_up_where_the_venue_tells(venue: str) -> None:
    assert _parse(venue, ROWS[venue]).fills.tolist() == ([3, 1] if venue == "binance" else [1, 1])


@pytest.mark.parametrize("venue", VENUES)
def test_ccxts_own_parser_reads_the_same(venue: str) -> None:
    client = getattr(ccxt, venue)()
    names = {"id": "X", "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "type": "spot"}
    market = (
        names | {"spot": True} | dict.fromkeys(("contract", "option", "swap", "future", "linear", "inverse"), False)
    )
    trades = _parse(venue, ROWS[venue])
    for i, row in enumerate(ROWS[venue]):
        theirs = client.parse_trade(row, market)
        assert (float(trades.price[i]), float(trades.amount[i])) == (theirs["price"], theirs["amount"])
        assert trades.traded_at_us[i] // 1000 == theirs["timestamp"]
        assert ("buy" if trades.is_buy[i] else "sell") == theirs["side"]
        if venue in NUMBERED:
            assert trades.trade_id[i] == theirs["id"]


def test_kraken_row_from_json_keeps_the_floats_shortest_digits_and_needs_its_seventh_element() -> None:
    rows = json.loads('[["0.1", "2", 1772366400.1234567, "b", "l", "", 5, "1772366400123456789"], ["1", "1", 1.8e9]]')
    trades = parse_trades([*rows, rows[0][:6]], TRADE_LAYOUTS["kraken"])
    assert trades.traded_at_us.tolist() == [US + 123_457]  # rounded to the microsecond
    assert (list(trades.trade_id), len(trades.refused)) == (["5"], 2)


def test_gates_milliseconds_keep_their_fraction_to_the_microsecond() -> None:
    row = {"id": 1, "create_time_ms": "1772366400261.896", "side": "buy", "amount": "1", "price": "1"}
    assert parse_trades([row], TRADE_LAYOUTS["gate"]).traded_at_us.tolist() == [US + 261_896]


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("2026-03-01T12:00:00.000001Z", 1),
        ("2026-03-01T12:00:00.123456789Z", 123_456),
        ("2026-03-01T13:00:00+01:00", 0),
        ("2026-03-01T11:59:59.999999Z", -1),
    ],
)
def test_coinbases_times_are_read_to_the_microsecond_in_any_zone(text: str, after: int) -> None:
    row = dict(ROWS["coinbase"][0]) | {"time": text}  # type: ignore[call-overload]
    assert parse_trades([row], TRADE_LAYOUTS["coinbase"]).traded_at_us.tolist() == [US + after]


@given(st.datetimes(datetime(2010, 1, 1), datetime(2099, 12, 31)))  # noqa: DTZ001 - the zone is added below
def test_no_microsecond_of_the_century_is_rounded_away(moment: datetime) -> None:
    row = dict(ROWS["coinbase"][0]) | {"time": f"{moment.isoformat()}Z"}  # type: ignore[call-overload]
    (found,) = parse_trades([row], TRADE_LAYOUTS["coinbase"]).traded_at_us
    assert np.datetime64(int(found), "us") == np.datetime64(moment, "us")


def test_a_float_price_becomes_its_shortest_text() -> None:
    trades = parse_trades([_binance(p=0.1, q=1e-8)], TRADE_LAYOUTS["binance"])
    assert (trades.price[0], trades.amount[0]) == ("0.1", "1E-8")


@pytest.mark.parametrize("field", ["p", "q"])
@pytest.mark.parametrize(
    "value",
    [
        None, "", "abc", "0", "0.000", 0, 0.0, "-1", -1.5, "NaN", _NAN, "Infinity", float("inf"), "sNaN", True, "1e400",
        "1e-400", "9e999999", 10**400, "1" * 81, "0." + "0" * 80 + "1", "1_000", " 1", "1\n", "１", "1,5", "0x10", [1],
        {"a": 1}, "1\0",
    ],
    ids=lambda value: repr(value)[:12],
)  # fmt: skip
def test_no_price_and_no_amount_is_refused(field: str, value: object) -> None:
    trades = parse_trades([_binance(a=6), _binance(**{field: value})], TRADE_LAYOUTS["binance"])
    assert list(trades.trade_id) == ["6"]
    (refused,) = trades.refused
    assert refused.payload == _binance(**{field: value})
    assert "unreadable" in refused.reason


@pytest.mark.parametrize(
    "changed",
    [
        {"T": T0 // 1000}, {"T": T0 * 1000}, {"T": None}, {"T": True}, {"T": float("nan")}, {"T": "soon"}, {"T": "9e999998"},
        {"T": 0}, {"T": -T0}, {"m": None}, {"m": 1}, {"m": 0}, {"m": "false"}, {"m": "buy"}, {"m": []}, {"a": None}, {"a": ""},
        {"a": "7\0"}, {"a": True}, {"a": 7.0}, {"a": -1}, {"a": 2**63}, {"a": "7_0"}, {"a": " 7"}, {"a": {"x": 1}}, {"f": None},
        {"f": 73}, {"l": "x"}, {"l": 2**70}, {"l": float("inf")},
    ],
    ids=lambda changed: repr(changed)[:24],
)  # fmt: skip
def test_no_time_side_or_number_is_refused(changed: dict[str, object]) -> None:
    trades = parse_trades([_binance(a=6), _binance(**changed)], TRADE_LAYOUTS["binance"])
    assert (list(trades.trade_id), len(trades.refused)) == (["6"], 1)


@pytest.mark.parametrize("row", [None, 5, "row", True, [], {}, "12345678", 1.5, [[]], ["1", "1", 1.8e9, "b", "m", ""]])
@pytest.mark.parametrize("venue", VENUES)
def test_what_is_no_row_is_refused_and_its_neighbours_stay(venue: str, row: object) -> None:
    trades = _parse(venue, [ROWS[venue][0], row, ROWS[venue][1]])
    assert (len(trades), [one.payload for one in trades.refused]) == (2, [row])


def test_refusals_name_the_fault_in_short() -> None:
    trades = parse_trades([_binance(p="x" * 5000), _binance(m="y" * 5000)], TRADE_LAYOUTS["binance"])
    assert all(len(row.reason) < 200 for row in trades.refused)
    assert "is no number" in trades.refused[0].reason
    assert "neither bought nor sold" in trades.refused[1].reason


@pytest.mark.parametrize("venue", NUMBERED)
def test_a_row_that_comes_again_counts_once(venue: str) -> None:
    first, second = ROWS[venue]
    trades = _parse(venue, [first, first, second, first])
    assert (len(trades), trades.repeated, trades.refused) == (2, 2, ())


def test_of_two_trades_under_one_id_neither_is_believed_nor_any_copy_of_them() -> None:
    rows: list[object] = [_binance(), _binance(), _binance(p="1"), _binance(a=8), _binance()]
    trades = parse_trades(rows, TRADE_LAYOUTS["binance"])
    assert list(trades.trade_id) == ["8"]
    assert [row.reason for row in trades.refused] == ["two different trades under one id"] * 2
    assert len(trades) + len(trades.refused) + trades.repeated == len(rows)


def test_rows_come_out_in_the_order_of_their_numbers() -> None:
    rows: list[object] = [_binance(a=number, T=T0 + number) for number in (3, 1, 2)]
    assert parse_trades(rows, TRADE_LAYOUTS["binance"]).sequence.tolist() == [1, 2, 3]


def test_ids_made_here_differ_by_time_price_amount_and_side_and_count_equals() -> None:
    rows: list[object] = [
        _mexc(T0), _mexc(T0), _mexc(T0 + 1), _mexc(T0, "1.6"), _mexc(T0, amount="3"), _mexc(T0, is_maker_buyer=True),
    ]  # fmt: skip
    trades = parse_trades(rows, TRADE_LAYOUTS["mexc"])
    assert len(set(trades.trade_id)) == 6
    assert sorted(str(one)[-2:] for one in trades.trade_id) == ["-0"] * 5 + ["-1"]
    assert trades.sequence.tolist() == [0, 1, 2, 3, 4, 0]  # places among those of one moment


_MEXC = st.tuples(st.integers(0, 2), st.sampled_from(["1.5", "1.6"]), st.sampled_from(["2", "3"]), st.booleans())


@given(st.lists(_MEXC, max_size=12).flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows))))
def test_ids_made_here_are_the_same_in_whatever_order_the_trades_come(
    orders: tuple[list[tuple[int, str, str, bool]], list[tuple[int, str, str, bool]]],
) -> None:
    def told(rows: list[tuple[int, str, str, bool]]) -> dict[object, tuple[object, ...]]:
        raw: list[object] = [_mexc(T0 + t, p, q, is_maker_buyer=m) for t, p, q, m in rows]
        trades = parse_trades(raw, TRADE_LAYOUTS["mexc"])
        assert len(trades) == len(rows)
        assert (np.diff(trades.traded_at_us) >= 0).all()
        columns = (trades.traded_at_us.tolist(), trades.price, trades.amount, trades.is_buy.tolist())
        return dict(zip(trades.trade_id, zip(*columns, strict=True), strict=True))

    first, second = map(told, orders)
    assert first == second
    assert len(first) == len(orders[0])


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def _pages(draw: st.DrawFn) -> tuple[str, list[object], int]:
    """A venue, a page of good rows with others among them, and how many are good: other rows may have good rows' keys."""
    venue = draw(st.sampled_from(NUMBERED))
    model = ROWS[venue][0]
    key = TRADE_LAYOUTS[venue].trade_id
    numbers = draw(st.lists(st.integers(1, 99), unique=True, max_size=8))
    rows: list[object] = []
    for number in numbers:
        row = list(model) if isinstance(model, list) else dict(model)  # type: ignore[call-overload]
        row[key] = str(number)  # type: ignore[index]
        rows.append(row)
    for bad in draw(st.lists(_ANYTHING, max_size=6)):
        spoilt: object = bad
        if draw(st.booleans()):
            spoilt = list(model) if isinstance(model, list) else dict(model)  # type: ignore[call-overload]
            spoilt[TRADE_LAYOUTS[venue].price] = draw(st.none() | st.text(max_size=3).filter(lambda t: not t.isascii()))  # type: ignore[index]
        rows.insert(draw(st.integers(0, len(rows))), spoilt)
    return venue, rows, len(numbers)


@given(_pages())
def test_no_good_row_is_lost_to_bad_neighbours_and_every_row_is_accounted_for(
    page: tuple[str, list[object], int],
) -> None:
    venue, rows, good = page
    trades = parse_trades(rows, TRADE_LAYOUTS[venue])
    assert len(trades) == good
    assert len(trades) + len(trades.refused) + trades.repeated == len(rows)


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["1", "2"])), max_size=25))
def test_kept_refused_and_repeated_rows_add_up_whatever_repeats_or_quarrels(rows: list[tuple[int, str]]) -> None:
    raw: list[object] = [_binance(a=number, p=price) for number, price in rows]
    trades = parse_trades(raw, TRADE_LAYOUTS["binance"])
    prices = {number: {price for other, price in rows if other == number} for number, _ in rows}
    assert trades.sequence.tolist() == sorted(number for number, told in prices.items() if len(told) == 1)
    assert len(trades) + len(trades.refused) + trades.repeated == len(rows)


def test_pages_join_with_their_refusals_and_repetitions() -> None:
    one = parse_trades([_binance(), _binance(), None], TRADE_LAYOUTS["binance"])
    other = parse_trades([_binance(a=8), 5], TRADE_LAYOUTS["binance"])
    joined = join_trades([one, NO_TRADES, other])
    assert (list(joined.trade_id), len(joined.refused), joined.repeated) == (["7", "8"], 2, 1)
    assert joined.between(US, US + 1).trade_id.tolist() == ["7", "8"]
    assert len(joined.between(US + 1, US + 2)) == 0
    assert datetime.fromtimestamp(US / 1e6, UTC).hour == 12

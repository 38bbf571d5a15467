"""From when to when a market had no feed, and why."""

from crypto_assets.quality.gaps import State
from crypto_assets.stream.outages import NOBODY, Absence, Outages
from crypto_assets.stream.snapshots import SECOND
from crypto_assets.stream.standing import Snapshot, Standing
from crypto_assets_tests.stream.quoting import BTC, ETH, NOON, quote

MARKETS = (BTC, ETH)
OUTAGE, QUIET, LOST = (State.VENUE_OUTAGE.value, State.VENUE_QUIET.value, State.UNRECOVERABLE.value)


def look(outages: Outages, second: float, stale: tuple[bool, ...] = (False, False), absent: int = 0) -> None:
    at = NOON + int(second * SECOND)
    standings = [
        Standing(venue, quote(symbol), 12_000 if is_stale else 5, is_stale)
        for (venue, symbol), is_stale in zip(MARKETS[absent:], stale[absent:], strict=True)
    ]
    outages.look(Snapshot(at, at, standings, MARKETS[:absent]))


def connected() -> Outages:
    outages = Outages(MARKETS, NOON)
    outages.connected("mexc", ["BTC/USDT", "ETH/USDT"], NOON)
    outages.take()  # what was before the start is told by a test of its own
    return outages


def seconds(told: list[Absence]) -> list[tuple[str, float, float, str]]:
    return [(one.symbol[:3], (one.start - NOON) / SECOND, (one.end - NOON) / SECOND, one.state) for one in told]


def test_until_its_first_connection_nobody_heard_a_market_and_that_reaches_back() -> None:
    outages = Outages((BTC,), NOON)
    outages.connected("mexc", ["BTC/USDT"], NOON + 700_000)
    told = outages.take()
    assert told == [Absence(*BTC, NOON, NOON + 700_000, LOST, NOBODY, reaches_back=True)]
    assert outages.take() == []


def test_who_is_cut_off_at_once_was_not_heard_before_either() -> None:
    outages = Outages((BTC,), NOON)
    outages.lost("mexc", ["BTC/USDT"], NOON, "refused")
    assert outages.take() == [Absence(*BTC, NOON, NOON, LOST, NOBODY, reaches_back=True)]


def test_an_outage_is_told_at_once_then_each_minute_then_at_its_end() -> None:
    outages = connected()
    outages.lost("mexc", ["BTC/USDT"], NOON + 250_000, "closed with code 1006")
    for second in range(1, 131):
        look(outages, second, (True, False))
    outages.connected("mexc", ["BTC/USDT"], NOON + 131 * SECOND)
    told = outages.take()
    assert seconds(told) == [
        ("BTC", 0.25, 1, OUTAGE),
        ("BTC", 0.25, 61, OUTAGE),
        ("BTC", 0.25, 121, OUTAGE),
        ("BTC", 0.25, 131, OUTAGE),
    ]
    assert {one.why for one in told} == {"closed with code 1006"}
    look(outages, 132)
    assert outages.take() == []


def test_an_outage_between_two_seconds_is_told_too() -> None:
    outages = connected()
    look(outages, 1)
    outages.lost("mexc", ["BTC/USDT", "ETH/USDT"], NOON + 1_200_000, "reset")
    outages.connected("mexc", ["BTC/USDT", "ETH/USDT"], NOON + 1_600_000)
    look(outages, 2)
    assert seconds(outages.take()) == [("BTC", 1.2, 1.6, OUTAGE), ("ETH", 1.2, 1.6, OUTAGE)]


def test_silence_while_connected_is_quiet_from_the_first_stale_second_to_the_first_fresh_one() -> None:
    outages = connected()
    for second, is_stale in ((11, False), (12, True), (13, True), (14, False)):
        look(outages, second, (is_stale, False))
    assert seconds(outages.take()) == [("BTC", 12, 13, QUIET), ("BTC", 12, 14, QUIET)]


def test_a_market_without_any_quote_though_connected_is_quiet() -> None:
    outages = connected()
    look(outages, 1, absent=1)
    look(outages, 2)
    assert seconds(outages.take()) == [("BTC", 1, 2, QUIET)]


def test_a_silent_market_whose_connection_breaks_is_in_an_outage_from_then_on() -> None:
    outages = connected()
    look(outages, 1, (True, False))
    outages.lost("mexc", ["BTC/USDT"], NOON + 1_500_000, "gone")
    outages.lost("mexc", ["BTC/USDT"], NOON + 1_700_000, "gone again")
    outages.close(NOON + 3 * SECOND)
    assert seconds(outages.take()) == [("BTC", 1, 1.5, QUIET), ("BTC", 1.5, 3, OUTAGE)]


def test_seconds_without_a_snapshot_are_lost_for_all_markets_and_strangers_are_not_told_of() -> None:
    outages = connected()
    outages.skipped(NOON + 2 * SECOND, NOON + 5 * SECOND)
    outages.lost("gate", ["BTC/USDT"], NOON, "not ours")
    outages.close(NOON + 6 * SECOND)
    assert seconds(outages.take()) == [("BTC", 2, 5, LOST), ("ETH", 2, 5, LOST)]


def test_a_clock_set_back_ends_no_outage_before_it_began() -> None:
    outages = connected()
    outages.lost("mexc", ["BTC/USDT"], NOON + 5 * SECOND, "gone")
    outages.connected("mexc", ["BTC/USDT"], NOON + 2 * SECOND)
    assert outages.take() == []

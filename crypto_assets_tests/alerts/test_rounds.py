"""Who is told what and when: once, again after a while, once when it is over, and never too much in an hour."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from crypto_assets.alerts import memory
from crypto_assets.alerts.alert import ARBITRAGE, FAILED_CHECK, FAILED_RUN, Alert, Kind, Severity, kind_of, readable
from crypto_assets.alerts.memory import Due
from crypto_assets.alerts.post import Address, AlertPost, Delivery, Message
from crypto_assets.alerts.rounds import Round, by_lack, grouped, message_of, tell
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.universe_operations import AlertRules
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.lease import lease
from crypto_assets_tests.alerts.receiver import PASSWORD, TOKEN, Receiver

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
UI = "http://127.0.0.1:3000"
RULES = AlertRules(repeat_hours=12, most_an_hour=3)


@pytest.fixture
def warehouse(shared_warehouse: Warehouse) -> Warehouse:
    with shared_warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM ops.alerts; DELETE FROM ops.alert_messages; DELETE FROM ops.alert_silences")
    return shared_warehouse


def _alert(subject: str, kind: Kind = FAILED_RUN, severity: Severity = Severity.CRITICAL) -> Alert:
    return Alert(
        kind, subject, severity, f"{subject} failed", "It said no.", "Nothing comes.", "`crypto-assets doctor`", "/runs/1",
        NOW - HOUR,
    )  # fmt: skip


def _see(warehouse: Warehouse, now: datetime, *found: Alert, kind: Kind = FAILED_RUN) -> None:
    with warehouse.connect() as connection:
        memory.observe(connection, kind, found, UI, now)


def _tell(warehouse: Warehouse, receiver: Receiver, now: datetime, *paths: str, rules: AlertRules = RULES) -> Round:
    urls = SecretStr(" ".join(receiver.url(path) for path in (paths or ("hook",))))
    return tell(warehouse, rules, AlertPost(urls, UI, "live"), now)


def _row(warehouse: Warehouse, subject: str) -> dict[str, object]:
    frame = memory.remembered(warehouse, with_over=True)
    [row] = frame[frame["subject"] == subject].to_dict("records")
    return {str(name): value for name, value in row.items()}


def test_an_alert_is_told_once_again_after_a_while_and_once_when_it_is_over(
    warehouse: Warehouse, receiver: Receiver
) -> None:
    for minutes in (0, 1, 2):
        _see(warehouse, NOW + minutes * MINUTE, _alert("a"))
        _tell(warehouse, receiver, NOW + minutes * MINUTE)
    [(_, body)] = receiver.got
    assert body["title"] == "crypto_assets: a failed"
    assert body["message"] == (
        "It said no.\n\nNothing comes.\nWay out: `crypto-assets doctor`\nSince 2026-03-10 11:00 UTC, 60 minutes ago.\n\n"
        "http://127.0.0.1:3000/runs/1"
    )
    later = NOW + 12 * HOUR
    _see(warehouse, later, _alert("a"))
    assert _tell(warehouse, receiver, later) == Round(1, 1, [], 0)
    assert _row(warehouse, "a")["times_told"] == 2
    for minutes in (1, 2):
        _see(warehouse, later + minutes * MINUTE)
        _tell(warehouse, receiver, later + minutes * MINUTE)
    assert receiver.titles() == ["crypto_assets: a failed"] * 2 + ["crypto_assets: over: a failed"]
    assert receiver.got[-1][1]["message"].startswith(f"{FAILED_RUN.ends} It lasted 13 hours, since")
    again = later + 3 * MINUTE  # people were told that it is over, so they are told that it is back
    _see(warehouse, again, _alert("a"))
    _tell(warehouse, receiver, again)
    assert receiver.titles()[3:] == ["crypto_assets: a failed"]


def test_what_was_never_told_is_not_told_to_be_over_and_opportunities_never_are(
    warehouse: Warehouse, receiver: Receiver
) -> None:
    _see(warehouse, NOW, _alert("a"))
    _see(warehouse, NOW + MINUTE)
    _see(warehouse, NOW, _alert("b", ARBITRAGE, Severity.NOTICE), kind=ARBITRAGE)
    _tell(warehouse, receiver, NOW + MINUTE)
    _see(warehouse, NOW + HOUR, kind=ARBITRAGE)
    _tell(warehouse, receiver, NOW + HOUR)
    _see(warehouse, NOW + 2 * HOUR, _alert("b", ARBITRAGE, Severity.NOTICE), kind=ARBITRAGE)
    _tell(warehouse, receiver, NOW + 2 * HOUR)  # it comes and goes; people hear of it twice a day
    assert receiver.titles() == ["crypto_assets: b failed"]


def test_what_comes_and_goes_within_its_calm_is_one_alert(warehouse: Warehouse, receiver: Receiver) -> None:
    for minutes in range(0, 30, 5):
        _see(
            warehouse,
            NOW + minutes * MINUTE,
            *([_alert("a", FAILED_CHECK)] if minutes % 10 == 0 else []),
            kind=FAILED_CHECK,
        )
        _tell(warehouse, receiver, NOW + minutes * MINUTE)
    assert receiver.titles() == ["crypto_assets: a failed"]
    _see(warehouse, NOW + 31 * MINUTE, kind=FAILED_CHECK)
    _tell(warehouse, receiver, NOW + 31 * MINUTE)
    assert receiver.titles()[1:] == ["crypto_assets: over: a failed"]


def test_no_more_messages_go_out_in_an_hour_than_told_and_none_is_lost(
    warehouse: Warehouse, receiver: Receiver
) -> None:
    found = [_alert(f"{number:02}", severity=Severity.WARNING) for number in range(40)] + [_alert("worst")]
    _see(warehouse, NOW, *found)
    assert _tell(warehouse, receiver, NOW) == Round(3, 41, [], 0)
    assert receiver.titles() == ["crypto_assets: worst failed", "crypto_assets: 00 failed", "crypto_assets: 39 alerts"]
    summary = receiver.got[-1][1]["message"]
    assert "- 01 failed\n- 02 failed\n" in summary
    assert "and 9 more" in summary
    assert "`crypto-assets" not in summary
    _see(warehouse, NOW + MINUTE, *found, _alert("late"))
    assert _tell(warehouse, receiver, NOW + MINUTE) == Round(0, 0, [], 1)
    assert _tell(warehouse, receiver, NOW + HOUR + MINUTE).told == 1
    assert receiver.titles()[3:] == ["crypto_assets: late failed"]


def test_an_address_that_fails_is_tried_again_alone_and_counted(warehouse: Warehouse, receiver: Receiver) -> None:
    receiver.refused.add("second")
    _see(warehouse, NOW, _alert("a"))
    for minutes in (0, 1):
        done = _tell(warehouse, receiver, NOW + minutes * MINUTE, "first", "second")
        assert (done.messages, len(done.failed), done.waiting) == (1 - minutes, 1, 1)
    row = _row(warehouse, "a")
    assert (row["failed_deliveries"], row["times_told"]) == (2, 1)
    assert list(row["taken_by"]) == ["1 json"]  # type: ignore[call-overload]  # an array of text
    receiver.refused.clear()
    assert _tell(warehouse, receiver, NOW + 2 * MINUTE, "first", "second").messages == 1
    assert (receiver.titles("first"), receiver.titles("second")) == (["crypto_assets: a failed"],) * 2
    secrets = f"{done!r} {_all(warehouse)}"
    assert TOKEN not in secrets
    assert PASSWORD not in secrets


def _both(warehouse: Warehouse, receiver: Receiver, now: datetime, *found: Alert, rules: AlertRules = RULES) -> Round:
    """A minute with two addresses, of which the second refuses."""
    receiver.refused.add("dead")
    _see(warehouse, now, *found)
    return _tell(warehouse, receiver, now, "well", "dead", rules=rules)


def test_a_dead_address_is_asked_once_a_round_and_keeps_nothing_from_the_others(
    warehouse: Warehouse, receiver: Receiver
) -> None:
    rules, found = AlertRules(most_an_hour=20), [_alert(f"{number}") for number in range(8)]
    done = _both(warehouse, receiver, NOW, *found, rules=rules)
    assert receiver.titles("well") == [f"crypto_assets: {number} failed" for number in range(8)]
    assert receiver.refusals == ["dead"]
    assert (done.messages, done.told, len(done.failed), done.waiting) == (8, 8, 1, 8)
    done = _both(warehouse, receiver, NOW + MINUTE, *found, _alert("new"), rules=rules)
    assert receiver.titles("well")[8:] == ["crypto_assets: new failed"]  # alone, and first
    assert receiver.refusals == ["dead"] * 2
    receiver.refused.clear()
    done = _tell(warehouse, receiver, NOW + 2 * MINUTE, "well", "dead", rules=rules)
    assert (done.told, done.waiting, done.failed) == (9, 0, [])
    assert sorted(receiver.titles("dead")) == sorted(receiver.titles("well"))
    with warehouse.connect() as connection:  # a message counts once, however late an address takes it
        assert memory.sent_since(connection, NOW - HOUR) == 9


def test_reminders_and_ends_reach_an_address_while_another_is_dead(warehouse: Warehouse, receiver: Receiver) -> None:
    for now in (NOW, NOW + MINUTE, NOW + 12 * HOUR, NOW + 12 * HOUR + MINUTE):
        _both(warehouse, receiver, now, _alert("a"))
    assert receiver.titles("well") == ["crypto_assets: a failed"] * 2
    for minutes in (2, 3):
        _both(warehouse, receiver, NOW + 12 * HOUR + minutes * MINUTE)
    assert receiver.titles("well")[2:] == ["crypto_assets: over: a failed"]
    for minutes in (4, 5):  # it is back before the dead one heard that it was over
        _both(warehouse, receiver, NOW + 12 * HOUR + minutes * MINUTE, _alert("a"))
    assert receiver.titles("well")[3:] == ["crypto_assets: a failed"]
    _both(warehouse, receiver, NOW + 13 * HOUR)
    for now in (NOW + 14 * HOUR, NOW + 30 * HOUR):  # an end is told once, however old it is
        _both(warehouse, receiver, now)
    assert receiver.titles("well")[4:] == ["crypto_assets: over: a failed"]
    receiver.refused.clear()
    _tell(warehouse, receiver, NOW + 31 * HOUR, "well", "dead")
    assert receiver.titles("dead") == ["crypto_assets: over: a failed"]
    assert _tell(warehouse, receiver, NOW + 32 * HOUR, "well", "dead") == Round()


def test_the_limit_holds_and_a_summary_repeats_nothing_while_an_address_is_dead(
    warehouse: Warehouse, receiver: Receiver
) -> None:
    old = [_alert(f"{number}") for number in range(5)]
    _both(warehouse, receiver, NOW, *old)
    assert receiver.titles("well") == ["crypto_assets: 0 failed", "crypto_assets: 1 failed", "crypto_assets: 3 alerts"]
    for minutes in (1, 2):
        done = _both(warehouse, receiver, NOW + minutes * MINUTE, *old, _alert("5"))
        assert (done.messages, done.waiting) == (0, 6)  # three an hour
    _both(warehouse, receiver, NOW + HOUR + MINUTE, *old, _alert("5"))
    assert receiver.titles("well")[3:] == ["crypto_assets: 5 failed"]


def test_an_address_that_is_named_no_more_holds_nothing_up(warehouse: Warehouse, receiver: Receiver) -> None:
    _both(warehouse, receiver, NOW, _alert("a"))
    assert _tell(warehouse, receiver, NOW + MINUTE, "well") == Round()
    assert list(_row(warehouse, "a")["taken_by"]) == []  # type: ignore[call-overload]  # an array of text
    assert receiver.titles("well") == ["crypto_assets: a failed"]


def test_an_address_that_cannot_even_be_asked_is_a_failure_of_its_own(
    warehouse: Warehouse, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = Address.send

    def broken(address: Address, message: Message) -> Delivery:
        if "broken" in address.secret.get_secret_value():
            raise ValueError(TOKEN)
        return send(address, message)

    monkeypatch.setattr(Address, "send", broken)
    _see(warehouse, NOW, _alert("a"))
    for minutes in (0, 1):
        done = _tell(warehouse, receiver, NOW + minutes * MINUTE, "well", "broken")
        assert done.failed == [Delivery("2 json", "sending failed with ValueError")]
    assert receiver.titles("well") == ["crypto_assets: a failed"]
    assert _row(warehouse, "a")["claimed_at"] is pd.NaT


def test_a_claim_keeps_others_away_and_ends_with_a_process_that_was_killed(
    warehouse: Warehouse, receiver: Receiver
) -> None:
    _see(warehouse, NOW, _alert("a"))
    with warehouse.connect() as connection:
        [due] = memory.due(connection, 12 * HOUR, NOW)
        assert memory.claim(connection, [due], NOW) == [due]
        assert memory.claim(connection, [due], NOW) == []
    assert _tell(warehouse, receiver, NOW + MINUTE) == Round()  # whoever claimed it is at it, or dead
    assert _tell(warehouse, receiver, NOW + memory.CLAIM).messages == 1


def test_one_process_at_a_time_tells(warehouse: Warehouse, receiver: Receiver) -> None:
    _see(warehouse, NOW, _alert("a"))
    with lease(warehouse, "alerts"):
        assert _tell(warehouse, receiver, NOW).is_elsewhere
    assert _tell(warehouse, receiver, NOW).messages == 1


def test_what_is_silenced_is_remembered_and_told_when_the_silence_ends(
    warehouse: Warehouse, receiver: Receiver
) -> None:
    memory.silence(warehouse, FAILED_RUN, "a", NOW + HOUR, "me")
    memory.silence(warehouse, FAILED_CHECK, "", NOW + HOUR, "me")
    _see(warehouse, NOW, _alert("a"), _alert("b"))
    _see(warehouse, NOW, _alert("c", FAILED_CHECK), kind=FAILED_CHECK)
    _tell(warehouse, receiver, NOW)
    assert receiver.titles() == ["crypto_assets: b failed"]
    assert len(memory.remembered(warehouse, with_over=False)) == 3
    _tell(warehouse, receiver, NOW + HOUR)
    assert sorted(receiver.titles()[1:]) == ["crypto_assets: a failed", "crypto_assets: c failed"]


def test_a_round_stops_when_its_time_is_up(warehouse: Warehouse, receiver: Receiver) -> None:
    _see(warehouse, NOW, _alert("a"), _alert("b"))
    ticks = iter([0.0, 0.0, 26.0])
    post = AlertPost(SecretStr(receiver.url()), UI, "live")
    assert tell(warehouse, RULES, post, NOW, clock=lambda: next(ticks)) == Round(1, 1, [], 1)


def test_old_memories_go(warehouse: Warehouse, receiver: Receiver) -> None:
    _see(warehouse, NOW, _alert("a"), _alert("b"))
    _tell(warehouse, receiver, NOW)
    _see(warehouse, NOW + MINUTE, _alert("b"))
    with warehouse.connect() as connection:
        memory.forget_old(connection, NOW + memory.KEPT)
        assert len(memory.remembered(warehouse, with_over=True)) == 2
    with warehouse.connect() as connection:
        memory.forget_old(connection, NOW + memory.KEPT + 2 * MINUTE)
    assert list(memory.remembered(warehouse, with_over=True)["subject"]) == ["b"]


DUE = Due("failed_run", "x", False, Severity.CRITICAL, "t", "b", "l", NOW, None, frozenset())


@given(count=st.integers(0, 60), free=st.integers(-3, 30))
def test_messages_hold_every_alert_once_and_are_never_too_many(count: int, free: int) -> None:
    due = [replace(DUE, subject=str(number)) for number in range(count)]
    groups = grouped(due, free)
    assert len(groups) <= max(0, free)
    assert [one for group in groups for one in group] == (due if free > 0 else [])
    assert all(groups)


def test_addresses_that_lack_the_same_are_told_together_and_who_is_up_to_date_first() -> None:
    dead, one, other, done = (Address(place, SecretStr(f"json://127.0.0.1/{place}")) for place in range(1, 5))
    old = replace(DUE, subject="old", taken_by=frozenset({one.name, other.name, done.name}))
    new = replace(DUE, subject="new", taken_by=frozenset({done.name}))
    assert by_lack([dead, one, other, done], [old, new]) == [([one, other], (new,)), ([dead], (old, new))]


@given(st.text(max_size=2000))
def test_text_of_others_is_cut_and_holds_no_control_characters(text: str) -> None:
    said = readable(text)
    assert len(said) <= 600
    assert all(sign.isprintable() or sign == "\n" for sign in said)


def test_a_summary_of_ends_alone_is_no_failure() -> None:
    over = [replace(DUE, is_over=True, subject=name) for name in "ab"]
    assert message_of(over, "crypto_assets", UI, NOW).severity is None
    assert message_of([*over, DUE], "crypto_assets", UI, NOW).severity is Severity.CRITICAL


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(CryptoAssetsError, match="no kind of alert 'failed'") as refused:
        kind_of("failed")
    assert "failed_run" in refused.value.way_out


def _all(warehouse: Warehouse) -> str:
    """Everything that is remembered, as text."""
    told = ""
    with warehouse.connect() as connection, connection.cursor() as cursor:
        for table in ("alerts", "alert_messages", "alert_silences", "writes"):
            cursor.execute(f"SELECT t::text FROM ops.{table} AS t")  # noqa: S608 - constants
            told += repr(cursor.fetchall())
    return told

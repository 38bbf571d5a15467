"""Messages reach real addresses, and what is secret in an address stands nowhere else."""

import logging

import pytest
from pydantic import SecretStr

from crypto_assets.alerts.alert import Severity
from crypto_assets.alerts.post import AlertPost, Message
from crypto_assets_tests.alerts.receiver import PASSWORD, TOKEN, Receiver

MESSAGE = Message("A title", "What happened, and <b>what</b> to do.", Severity.CRITICAL)


def _post(urls: str | None, profile: str = "live") -> AlertPost:
    return AlertPost(SecretStr(urls) if urls is not None else None, "http://127.0.0.1:3000", profile)


def test_a_message_reaches_every_address_and_each_says_what_came_of_it(receiver: Receiver) -> None:
    receiver.refused.add("second")
    post = _post(f"{receiver.url('first')}  {receiver.url('second')}\n{receiver.url('first')}")
    first, second = post.addresses()  # the one that is named twice counts once
    assert first.send(MESSAGE).is_taken
    refused = second.send(MESSAGE)
    assert not refused.is_taken
    assert "500" in refused.why
    [(path, body)] = receiver.got
    assert (path, body["title"], body["message"], body["type"]) == ("first", MESSAGE.title, MESSAGE.body, "failure")


@pytest.mark.parametrize(
    ("severity", "kind"),
    [(Severity.CRITICAL, "failure"), (Severity.WARNING, "warning"), (Severity.NOTICE, "info"), (None, "success")],
)
def test_severities_become_the_kinds_that_services_color(receiver: Receiver, severity: Severity, kind: str) -> None:
    _post(receiver.url()).addresses()[0].send(Message("t", "b", severity))
    assert receiver.got[0][1]["type"] == kind


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"json://user:{PASSWORD}@127.0.0.1:1/{TOKEN}", "json://127.0.0.1:1/…"),
        (f"discord://123456789012345678/{TOKEN}-abcdefghijklmnopqrstuvwxyz", "discord://1...8/…"),
        ("tgram://123456789:abcdefghijklmnopqrstuvwxyzABCDEFGHI/987654321", "tgram://1...I/…"),
        (f"mailto://someone:{PASSWORD}@example.invalid", "mailto://example.invalid/…"),
        (f"nothing-of-the-kind://{TOKEN}", "nothing-of-the-kind://…"),
        (TOKEN, "?://…"),
        (f"json://127.0.0.1:99999/{TOKEN}", "json://127.0.0.1/…"),
    ],
    ids=["json", "discord", "telegram", "mail", "unknown scheme", "no address", "no port"],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    [address] = _post(url).addresses()
    assert address.shown() == shown
    assert TOKEN not in f"{address!r} {address.name} {_post(url)!r}"
    assert PASSWORD not in f"{address!r} {address.name} {_post(url)!r}"


def test_an_address_that_nobody_knows_or_answers_is_told_and_breaks_nothing(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    urls = [f"nothing-of-the-kind://{TOKEN}", f"json://user:{PASSWORD}@127.0.0.1:9/{TOKEN}", f"slack://{TOKEN}",
            f"json://user:{PASSWORD}@127.0.0.1:99999/{TOKEN}"]  # fmt: skip
    before = [(one.level, one.propagate, one.handlers) for one in map(logging.getLogger, ("apprise", "urllib3"))]
    with caplog.at_level(logging.DEBUG):
        deliveries = [address.send(MESSAGE) for address in _post(" ".join(urls)).addresses()]
    assert [one.is_taken for one in deliveries] == [False] * 4
    assert all(one.why for one in deliveries)
    assert deliveries[1].why.endswith("sending JSON notification to ***.")  # apprise names the host
    told = f"{deliveries!r} {caplog.text} {capfd.readouterr()}"
    assert TOKEN not in told
    assert PASSWORD not in told
    after = [(one.level, one.propagate, one.handlers) for one in map(logging.getLogger, ("apprise", "urllib3"))]
    assert after == before


def test_nobody_is_named_where_nothing_is_set() -> None:
    assert _post(None).addresses() == []
    assert _post("   ").addresses() == []
    assert (_post(None).sender, _post(None, "sandbox").sender) == ("crypto_assets", "crypto_assets (sandbox)")

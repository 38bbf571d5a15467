"""What an alert is, and which kinds there are.

What belongs here: the types and the list of kinds. What does not: finding alerts (findings.py, alert_automation.py) and telling
them (rounds.py).

A new kind is one line of KINDS, and one function that finds its alerts in a list of finders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from crypto_assets.errors import CryptoAssetsError

LONGEST = 600  # characters of what happened: a phone shows no more, and a traceback is a click away


class UnknownKind(CryptoAssetsError):
    """There is no such kind of alert."""


class Severity(StrEnum):
    """How bad it is; told in this order."""

    CRITICAL = "critical"
    WARNING = "warning"
    NOTICE = "notice"


@dataclass(frozen=True)
class Kind:
    """A kind of alert.

    Args:
        name: As commands and the memory have it.
        tells: What it says, in a few words.
        ends: Why it counts as over, in a sentence; empty where nobody is told of its end.
        calm: It is over once nobody has seen it for so long: what comes and goes by the minute is one alert.
    """

    name: str
    tells: str
    ends: str
    calm: timedelta = timedelta()


# What fails in one round and holds in the next comes and goes with rounds of five minutes.
_A_ROUND = timedelta(minutes=10)
FAILED_RUN = Kind(
    "failed_run", "a run failed, its retries too", "A later run of the same succeeded, or a week has passed."
)
FAILED_CHECK = Kind("failed_check", "a check of severity error fails; warnings in one", "It holds again.", _A_ROUND)
STALE_ASSET = Kind("stale_asset", "an asset is older than its freshness policy allows", "It was materialized again.")
LOW_SCORE = Kind("low_score", "a quality score lies below alerts.min_score", "No series scores below it now.", _A_ROUND)
LEDGER_GROWTH = Kind(
    "ledger_growth", "more new gaps in an hour than alerts.ledger_growth", "The last hour brought fewer; those stay."
)
STREAM_OUTAGE = Kind(
    "stream_outage", "the stream stores nothing, or a venue sends nothing", "Quotes come again.", timedelta(minutes=1)
)
ARBITRAGE = Kind("arbitrage", "an opportunity of alerts.min_arbitrage_pct, fees deducted", "", timedelta(minutes=5))
BLIND = Kind("blind", "a kind of alert could not be looked for", "It is looked for again.")
KINDS: Mapping[str, Kind] = {
    one.name: one
    for one in (
        FAILED_RUN, FAILED_CHECK, STALE_ASSET, LOW_SCORE, LEDGER_GROWTH, STREAM_OUTAGE, ARBITRAGE, BLIND
    )
}  # fmt: skip


@dataclass(frozen=True)
class Alert:
    """Something that people should know.

    Args:
        subject: What it is about: an asset, a partition, a market; with the kind its name.
        title: In a line.
        happened: What happened, in a sentence or two; it may hold what others wrote, and is cut.
        means: What follows from it.
        way_out: A command, or a page of the docs.
        path: Of the page in the web UI, as /runs/…
        since: When it began, UTC, as far as that is known.
    """

    kind: Kind
    subject: str
    severity: Severity
    title: str
    happened: str
    means: str
    way_out: str
    path: str
    since: datetime

    def body(self) -> str:
        """What a message says below its title; when it began and the link stand below."""
        said = readable(self.happened)
        return f"{said}\n\n{self.means}\nWay out: {self.way_out}"


def readable(text: str) -> str:
    """Text of others as one that a message may hold: no control characters, and not too long. Pure."""
    plain = "".join(sign if sign.isprintable() or sign == "\n" else " " for sign in text)
    lines = "\n".join(line.rstrip() for line in plain.strip().splitlines())
    return lines if len(lines) <= LONGEST else f"{lines[: LONGEST - 1]}…"


def kind_of(name: str) -> Kind:
    """The kind of that name.

    Raises:
        UnknownKind: there is none.
    """
    if name not in KINDS:
        raise UnknownKind(f"There is no kind of alert '{name[:40]}'", way_out=f"One of {', '.join(KINDS)}.")
    return KINDS[name]

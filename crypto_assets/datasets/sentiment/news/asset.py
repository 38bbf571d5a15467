"""The asset sentiment/news: what the feeds hold now, feed by feed.

What belongs here: going round the feeds, what a run says. What does not: asking (clients/feeds.py), storing (store.py),
when it runs (automation).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import dagster as dg
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class under a function's name
from pydantic import Field

from crypto_assets.clients.failures import ProviderError
from crypto_assets.clients.feed_rows import FeedItems
from crypto_assets.clients.feeds import CRYPTOPANIC, CryptoPanic, Feeds, payload_of
from crypto_assets.clients.safe_fetch import Limits, SafeFetch
from crypto_assets.datasets.calendar_asset import CalendarRun, Rhythm, calendar_asset
from crypto_assets.datasets.outcomes import SHOWN, Collected, Described, EventOutcome
from crypto_assets.datasets.sentiment.news.store import Stored, store_items
from crypto_assets.datasets.sentiment.news.table import DATASET, news
from crypto_assets.datasets.sentiment.news.tagging import Dictionary, dictionary_of
from crypto_assets.partitions import Grids
from crypto_assets.quality.series import TICK
from crypto_assets.universe import UniverseError
from crypto_assets.warehouse.collected import mark_collected, read_collected
from crypto_assets.warehouse.limits import Poll, read_polls, write_poll
from crypto_assets.warehouse.quarantine import Refused, quarantine

SERIES = "news"  # the second part of a feed's name in every ledger
_INSTANT = timedelta(microseconds=1)
_HEADLINES = 20  # newest ones that the UI shows


class NewsConfig(dg.Config):
    """What a run may be told."""

    feeds: list[str] = Field(default=[], description="Names of feeds in the universe, or cryptopanic; none for all.")


@dataclass(frozen=True)
class Source:
    """Something that holds items, and how it is asked."""

    name: str
    ask: Callable[[], FeedItems]


@dataclass(frozen=True)
class Round:
    """What one source brought.

    Args:
        at: When it had answered, UTC.
        items: What it held; None where it failed.
        stored: What came of these.
    """

    outcome: EventOutcome
    at: datetime
    items: FeedItems | None = None
    stored: Stored | None = None


def build_asset(grids: Grids) -> dg.AssetsDefinition:
    """The asset over the grids of the universe in force; automation adds when it runs."""
    return calendar_asset(
        DATASET,
        news,
        grids,
        NewsConfig,
        collect_news,
        Rhythm(by_month=False, expected_every=timedelta(minutes=10)),
        description="Headlines of the universe's feeds as they were first seen, with the assets that they name.",
    )


def collect_news(run: CalendarRun[NewsConfig]) -> Collected:
    """Ask every feed once, if the window is still open. One feed's failure is a warning with its name."""
    if not run.is_open():
        run.log.info("%s is over: feeds tell only of now, so nothing is collected", f"{run.window.start:%Y-%m-%d}")
        return Collected([], {})
    rules = run.universe.news
    words = dictionary_of(rules.assets, rules.ignored)
    rounds = [_round(run, source, words) for source in sources_of(run)]
    return Collected([one.outcome for one in rounds], described(rounds))


def sources_of(run: CalendarRun[NewsConfig]) -> Iterator[Source]:
    """The feeds that the run is to ask, and CryptoPanic where there is a key.

    Raises:
        UniverseError: the run's config names a feed that is none.
    """
    rules, providers, chosen = run.universe.news, run.providers, run.config.feeds
    unknown = sorted({*chosen} - {*rules.feeds, CRYPTOPANIC})
    if unknown:
        raise UniverseError(
            f"Unknown feed {', '.join(repr(name[:40]) for name in unknown)}",
            way_out=f"The universe has {', '.join(sorted(rules.feeds))}; add it to news.feeds first.",
        )
    fetch = SafeFetch(Limits(most_bytes=rules.most_bytes), sandbox_url=providers.sandbox_url)
    feeds = Feeds(fetch, lambda name: providers.transport(f"feed {name}", rules.requests_per_minute), run.clock)
    for name, url in rules.feeds.items():
        if not chosen or name in chosen:
            yield Source(name, lambda name=name, url=url: feeds.read(name, url))  # type: ignore[misc]
    if chosen and CRYPTOPANIC not in chosen:
        return
    key = providers.keys.cryptopanic
    if key is None:
        run.log.info("cryptopanic is not asked: there is no key (CRYPTO_ASSETS_CRYPTOPANIC_API_KEY)")
        return
    http = providers.http(CRYPTOPANIC, rules.requests_per_minute, secrets=[key], most_bytes=rules.most_bytes)
    yield Source(CRYPTOPANIC, CryptoPanic(http, key, run.clock).posts)


def described(rounds: Sequence[Round]) -> Described:
    """A row a feed, and the newest headlines. Pure."""
    table = [dg.TableRecord(_record(one)) for one in rounds[:SHOWN]]
    metadata: Described = {"feeds": dg.MetadataValue.table(table or [dg.TableRecord({"feed": "none to ask"})])}
    headlines = _headlines(rounds)
    if headlines:
        metadata["newest_headlines"] = dg.MetadataValue.table(headlines)
    return metadata


def _round(run: CalendarRun[NewsConfig], source: Source, words: Dictionary) -> Round:
    """Ask a source and store what it holds."""
    began = time.monotonic()
    try:
        held = source.ask()
    except ProviderError as error:
        return _failed(run, source.name, error, time.monotonic() - began)
    at, rules = run.clock(), run.universe.news
    with run.warehouse.connect() as connection:
        stored = store_items(connection, source.name, held.items, at, words, timedelta(hours=rules.same_story_hours))
        kept = [Refused(one.reason, one.payload) for one in held.refused]
        quarantine(connection, dataset=DATASET, venue=source.name, symbol=SERIES, timeframe=TICK, items=kept)
        _mark(connection, source.name, at, timedelta(minutes=rules.max_age_minutes))
        write_poll(connection, DATASET, source.name, _poll(run, at))
    warning = "no item in it is one" if held.refused and not held.items else ""
    outcome = EventOutcome(
        source.name, SERIES, received=len(held.items), inserted=len(stored.items.new),
        changed=len(stored.items.retitled), quarantined=len(held.refused), turns=1, first=at, last=at,
        seconds=time.monotonic() - began, warning=warning,
    )  # fmt: skip
    return Round(outcome, at, held, stored)


def _failed(run: CalendarRun[NewsConfig], name: str, error: ProviderError, seconds: float) -> Round:
    """Keep the failure of a source: its poll says so, and what came lies in the quarantine."""
    at, payload = run.clock(), payload_of(error)
    with run.warehouse.connect() as connection:
        if payload is not None:
            refused = [Refused(error.problem, payload)]
            quarantine(connection, dataset=DATASET, venue=name, symbol=SERIES, timeframe=TICK, items=refused)
        before = read_polls(connection, DATASET, name).get(SERIES)
        failures = (before.failures if before else 0) + 1
        write_poll(connection, DATASET, name, _poll(run, at, failures, str(error)))
    outcome = EventOutcome(
        name, SERIES, quarantined=int(payload is not None), turns=1, seconds=seconds, warning=str(error), failed=True
    )
    return Round(outcome, at)


def _poll(run: CalendarRun[NewsConfig], at: datetime, failures: int = 0, problem: str = "") -> Poll:
    interval = timedelta(minutes=run.universe.news.interval_minutes)
    return Poll(SERIES, at, at + interval, interval.total_seconds(), failures=failures, last_error=problem)


def _mark(connection: Connection, name: str, at: datetime, reach: timedelta) -> None:
    """Say that the feed was read until now.

    Feeds hold the items of hours, so two rounds no further apart than `reach` leave nothing out between them.
    """
    spans = read_collected(connection, DATASET, name, SERIES, TICK)
    last = spans[-1][1] if spans else None
    start = last if last is not None and timedelta(0) <= at - last <= reach else at
    mark_collected(connection, DATASET, name, SERIES, TICK, start, at + _INSTANT)


def _record(one: Round) -> dict[str, str | int]:
    sort = one.stored.items if one.stored else None
    times = [item.published_at for item in one.items.items if item.published_at] if one.items else []
    return {
        "feed": one.outcome.venue,
        "items": one.outcome.received,
        "new": one.outcome.inserted,
        "retitled": one.outcome.changed,
        "seen_elsewhere": len(sort.sightings) if sort else 0,
        "duplicates": (sort.repeated if sort else 0) + (one.items.repeated if one.items else 0),
        "refused": one.outcome.quarantined,
        "newest_item": f"{max(times):%Y-%m-%d %H:%M}" if times else "",
        "problem": one.outcome.warning,
    }


def _headlines(rounds: Sequence[Round]) -> list[dg.TableRecord]:
    """The newest of what the run stored, by the publishers' own times."""
    found = []
    for one in rounds:
        for item, publisher in one.stored.items.new if one.stored else ():
            named = [tag.asset for tag in one.stored.named if tag.news_id == item.news_id] if one.stored else []
            found.append((item.published_at or one.at, publisher, item.title, " ".join(named)))
    found.sort(reverse=True)
    return [
        dg.TableRecord({"published_at": f"{at:%Y-%m-%d %H:%M}", "publisher": who, "title": title, "assets": assets})
        for at, who, title, assets in found[:_HEADLINES]
    ]

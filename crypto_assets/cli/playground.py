"""A sandbox beside the pipeline: seeded prices or recorded bars, in a profile of its own.

What belongs here: starting the sandbox and deriving the settings and universe that go with it. What does not: the sandbox
(sandbox/) and what is run against it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from pydantic import SecretStr

from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.sandbox.recordings import RecordedSeries, list_series
from crypto_assets.settings import PROVIDER_KEYS, Settings
from crypto_assets.universe import Universe, read_universe

_MADE_UP_KEY = "0" * 32
PAGE_BARS = 500  # below the page limit of every venue that plays recordings


@contextmanager
def playground(settings: Settings, recordings: Path | None = None) -> Iterator[Settings]:
    """Run a sandbox and yield the settings of a profile that asks it instead of the providers.

    Raises:
        RecordingError: the folder holds no usable recordings.yaml.
    """
    if recordings is None:
        changed: dict[str, object] = {"profile": "sandbox"}
    else:
        profile = "recordings_" + hashlib.sha256(str(recordings.resolve()).encode()).hexdigest()[:8]
        universe = settings.home.absolute() / profile / "universe.yaml"
        changed = {"profile": profile, "universe": write_universe(list_series(recordings), universe, settings)}
    with SandboxProcess(SandboxConfig(recordings=recordings)) as sandbox:
        # A sandbox is told no real key; FRED's wants one of the right form.
        keys = dict.fromkeys(PROVIDER_KEYS) | {"fred_api_key": SecretStr(_MADE_UP_KEY)}
        yield settings.model_copy(update={**changed, **keys, "sandbox_url": sandbox.url})


def write_universe(series: Sequence[RecordedSeries], path: Path, settings: Settings) -> Path:
    """Write the universe that names just the recorded series, over their dates."""
    default, _ = read_universe(settings.universe_file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(recorded_universe(series, default), sort_keys=False), encoding="utf-8")
    return path


def recorded_universe(series: Sequence[RecordedSeries], default: Universe) -> dict[str, object]:
    """The universe file's content for recorded series; bounds are those of the default universe. Pure."""
    venues: dict[str, dict[str, object]] = {}
    for venue in sorted({one.venue for one in series}):
        there = [one for one in series if one.venue == venue]
        markets = []
        for symbol in sorted({one.symbol for one in there}):
            same = [one for one in there if one.symbol == symbol]
            markets.append(
                {
                    "symbol": symbol,
                    "timeframes": [one.timeframe for one in same],
                    "from": min(one.first_opened_at for one in same).date(),
                    "until": max(one.last_opened_at for one in same).date() + timedelta(days=1),
                }
            )
        venues[venue] = {"page_bars": PAGE_BARS, "markets": markets}
    return {
        "history_from": min(one.first_opened_at for one in series).date(),
        "automatic_history_days": 0,
        "venues": venues,
        "bounds": default.bounds.model_dump(mode="json"),
        "stream": {"venues": []},  # bars are played, quotes of their days are not
    }


def span_of(series: Sequence[RecordedSeries]) -> tuple[datetime, datetime]:
    """From the first to just behind the last recorded opening time, UTC."""
    first = min(one.first_opened_at for one in series)
    last = max(one.last_opened_at for one in series)
    return first.astimezone(UTC), last.astimezone(UTC) + timedelta(days=1)

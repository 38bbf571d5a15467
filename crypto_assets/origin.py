"""Who works: the run or command that a process works for, and what asked for it. It goes with every row and log line.

What belongs here: the words, how a run's tags tell them, and the way to a database session and to a child process. What does
not: asking Dagster (run_origin.py), logs (logs.py) and what becomes of them in the database (warehouse/writes.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

_LONGEST = 300  # characters of a value; a run key of a range of partitions has about a hundred
# What Dagster notes on a run, the first that is there, and what a person calls it.
_ASKED_BY = (
    ("dagster/schedule_name", "schedule"),
    ("dagster/sensor_name", "sensor"),
    ("dagster/backfill", "backfill"),
    ("crypto_assets/started_by", ""),
    ("user", "user"),
)
_AUTOMATION = "dagster/from_automation_condition"
_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


@dataclass(frozen=True)
class Origin:
    """What a process works for; all empty where nobody said.

    Args:
        run_id: Dagster's run, or the id of a command's own.
        triggered_by: What asked for it, as "schedule open_month_every_30_minutes".
        request: What it asked for: run key, partition or tick.
    """

    run_id: str = ""
    triggered_by: str = ""
    request: str = ""

    def session_options(self) -> str:
        """For libpq's `options`: settings of the session, from which columns of ops.writes take their defaults. Pure."""
        told = (f"-c crypto_assets.{name}={_option(value)}" for name, value in asdict(self).items() if value)
        return " ".join(told)

    def to_json(self) -> str:
        """For a child process; nothing in it is secret."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | None) -> Origin:
        """What a parent said; nothing where it said nothing, or something else."""
        try:
            told = json.loads(text or "{}")
        except ValueError:
            return cls()
        fields = ("run_id", "triggered_by", "request")
        return cls(**{name: str(told.get(name, "")) for name in fields}) if isinstance(told, dict) else cls()


NOBODY = Origin()


def origin_of_run(run_id: str, tags: Mapping[str, str]) -> Origin:
    """What a run of Dagster works for, from the tags that its schedules, sensors, backfills and people leave. Pure.

    A run that was started again after a failure has the tags of the first one.
    """
    asked = next((f"{word} {tags[tag]}".strip() for tag, word in _ASKED_BY if tags.get(tag)), "")
    if asked.startswith("sensor ") and tags.get(_AUTOMATION) == "true":
        asked = f"automation {asked.removeprefix('sensor ')}"
    return Origin(run_id, asked or "by hand", tags.get("dagster/run_key") or partition_of(tags))


def partition_of(tags: Mapping[str, str]) -> str:
    """The partition that a run works on, or the ends of its range; empty where it has none. Pure."""
    ends = [tags[name] for name in _RANGE if tags.get(name)]
    return tags.get("dagster/partition") or "...".join(dict.fromkeys(ends))


def _option(value: str) -> str:
    """A value as one word of `options`: the server splits at white space unless a backslash stands before it."""
    plain = "".join(sign if sign.isascii() and sign.isprintable() else "?" for sign in value[:_LONGEST])
    return plain.replace("\\", "\\\\").replace(" ", "\\ ")

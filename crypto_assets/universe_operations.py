"""The rules of operating: how long data is kept, how often it is saved, what is exported, and who is told of what.

What belongs here: the sections retention, backups, exports and alerts of config/universe.yaml, with their defaults; the reason
of each value stands in the file beside it. What does not: where anything goes, and secrets (settings.py).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from crypto_assets.universe_rules import Strict

# schema.table, as PostgreSQL has it
TableName = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}\.[a-z_]{1,60}$")]


class TableRetention(Strict):
    """What becomes of a table's old partitions.

    Args:
        keep_days: A partition goes once it ended so many days ago.
        then: "drop" deletes its rows for ever; "detach" writes them to Parquet first.
    """

    keep_days: int = Field(ge=1)
    then: Literal["drop", "detach"] = "detach"


class RetentionRules(Strict):
    """How long tables are kept, by their names; one that is not named is kept for ever."""

    tables: dict[TableName, TableRetention] = Field(default_factory=dict)


class BackupRules(Strict):
    """How often everything is saved.

    Args:
        every_hours: Hours between backups; 0 for none by themselves.
        keep: So many valid ones stay; older ones are deleted after a newer one was verified.
        jobs: Tables that are written at the same time.
        max_age_hours: An older newest backup fails its check; 0 asks for none.
    """

    every_hours: int = Field(default=0, ge=0, le=24 * 31)
    keep: int = Field(default=7, ge=1)
    jobs: int = Field(default=2, ge=1, le=16)
    max_age_hours: int = Field(default=0, ge=0)


class ExportRules(Strict):
    """What is exported by itself, after its data was renewed.

    Args:
        formats: None of them: nothing is exported unless somebody asks.
    """

    formats: tuple[Literal["parquet", "csv", "qlib", "arrow"], ...] = ()


class AlertRules(Strict):
    """What is told to whoever CRYPTO_ASSETS_ALERT_URLS names, and how often.

    Args:
        repeat_hours: The same alert is told again after so long while it lasts.
        most_an_hour: More than that are summed up in one.
        min_score: An overall quality score below it is an alert.
        ledger_growth: So many new holes in an hour are an alert.
        stream_silent_seconds: A stream that stored nothing for so long is an outage.
        min_arbitrage_pct: An opportunity is told from so much on, fees deducted.
    """

    repeat_hours: float = Field(default=12, gt=0)
    most_an_hour: int = Field(default=20, ge=1)
    min_score: float = Field(default=0.9, ge=0, le=1)
    ledger_growth: int = Field(default=500, ge=1)
    stream_silent_seconds: float = Field(default=120, ge=5)
    min_arbitrage_pct: float = Field(default=0.5, ge=0)

"""The rules of operating: how long data is kept, how often it is saved, what is exported, and who is told of what.

What belongs here: the sections retention, backups, exports and alerts of config/universe.yaml, with their defaults; the reason
of each value stands in the file beside it. What does not: where anything goes, and secrets (settings.py).
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from crypto_assets.universe_rules import Strict

# schema.table, as PostgreSQL has it
TableName = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}\.[a-z_]{1,60}$")]

# Tables whose partitions may be dropped: what can be derived again, or is summed up before it goes.
DROPPABLE = frozenset(
    {
        "features.labels", "features.ml_features", "features.technical_indicators", "market.arbitrage_opportunities",
        "market.book_ticker_snapshots",
    }
)  # fmt: skip
# Those that may only go to a file: nobody serves their rows again, and audit.revisions holds old values of them.
DETACHABLE = frozenset(
    {
        "dex.pool_ohlcv", "dex.pool_trades", "dex.pools", "market.ohlcv", "market.order_books", "market.tickers",
        "market.trade_bars", "market.trades",
    }
)  # fmt: skip
KEPT_FOR_EVER = {
    "audit.revisions": "as-of reading rests on it",
    "market.book_ticker_hours": "it is what remains of quotes that were dropped",
    "market.instruments": "listing dates explain what is absent",
    "models.outcomes": "forecasts are judged by it",
    "models.predictions": "forecasts are judged by it",
    "models.promotions": "it says who answered for a forecast when",
    "models.registry": "every trained version stays known",
    "quality.coverage": "it says why bars are absent",
}


class TableRetention(Strict):
    """What becomes of a table's old partitions.

    Args:
        keep_days: A partition goes once it ended so many days ago.
        then: "drop" deletes its rows for ever; "detach" writes them to Parquet first.
    """

    keep_days: int = Field(ge=1)
    then: Literal["drop", "detach"] = "detach"


class RetentionRules(Strict):
    """How long tables are kept, by their names.

    Args:
        tables: One that is not named is kept for ever; days of the stream's tables go by stream.keep_days.
        restored_days: What was brought back from the archive stays so long.
        writes_keep_days: So long ops.writes remembers which run wrote a row; the rows stay.
    """

    tables: dict[TableName, TableRetention] = Field(default_factory=dict)
    restored_days: int = Field(default=30, ge=1)
    writes_keep_days: int = Field(default=30, ge=1)

    @model_validator(mode="after")
    def _may_go(self) -> Self:
        for name, policy in self.tables.items():
            if name in KEPT_FOR_EVER:
                raise ValueError(f"{name} is kept for ever: {KEPT_FOR_EVER[name]}")
            if name not in DROPPABLE | DETACHABLE:
                there = ", ".join(sorted(DROPPABLE | DETACHABLE))
                raise ValueError(f"{name} is no table whose partitions may go; those are {there}")
            if policy.then == "drop" and name not in DROPPABLE:
                raise ValueError(
                    f"{name} keeps old values, and reading it as of a time would go wrong without its rows: say then: detach"
                )
        return self


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

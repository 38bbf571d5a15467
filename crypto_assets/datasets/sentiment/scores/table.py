"""sentiment.scores: the table and its key.

What belongs here: columns and key. What does not: scoring (crypto_assets.scoring), which headlines (asset.py), judging
(checks.py).
"""

from __future__ import annotations

from sqlalchemy import PrimaryKeyConstraint, Table, Text

from crypto_assets.schema.columns import METADATA, column, moment, number, provenance

DATASET = "sentiment/scores"

scores = Table(
    "scores",
    METADATA,
    column("news_id", Text(), "The item of sentiment.news whose headline was scored"),
    column("asset", Text(), "Currency that the item names, as BTC; empty for one that is about the market as a whole"),
    column("model_id", Text(), "Name of the scorer in the universe"),
    column("model_version", Text(), "What changes whenever the scorer could score any headline differently"),
    column("label", Text(), "negative, neutral or positive"),
    number("score", "-1 is the worst, 1 the best", unit="-1..1"),
    number("p_negative", "Of a transformer its probability; of a lexicon the share of words that are negative", unit="0..1"),
    number("p_neutral", "The same for neutral; the three add up to 1", unit="0..1"),
    number("p_positive", "The same for positive", unit="0..1"),
    column("title_key", Text(), "SHA-256 of the normalised headline that was scored, as in sentiment.news"),
    moment("news_known_at", "When the item could first have been known for this asset"),
    moment("scored_at", "When we scored it"),
    *provenance(),
    PrimaryKeyConstraint("news_id", "asset", "model_id", "model_version"),
    schema="sentiment",
    comment="What one scorer makes of one headline, for each asset that it names. Another version adds rows and changes none.",
    info={"series": ("model_id", "asset"), "time": "news_known_at"},
)  # fmt: skip

__all__ = ["DATASET", "scores"]

"""models.registry and models.promotions: the tables and their keys.

What belongs here: columns, keys and the names of states. What does not: training (train.py), promoting (store.py), judging
(checks.py).
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import BigInteger, Boolean, Integer, PrimaryKeyConstraint, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from crypto_assets.schema.columns import METADATA, column, moment, number, provenance

DATASET = "models/registry"


class ModelState(StrEnum):
    """What a version is to its forecast."""

    CANDIDATE = "candidate"
    CHAMPION = "champion"
    RETIRED = "retired"


registry = Table(
    "registry",
    METADATA,
    column("model", Text(), "Forecast: family and horizon, as gas_4h"),
    column("version", Integer(), "Counted from 1 within the forecast", unit="number"),
    column("state", Text(), "candidate, champion or retired"),
    column("learner", Text(), "Who learned it: lightgbm, lstm"),
    column("artefact_sha256", Text(), "Hash of the artefact's manifest, by which it is found and checked"),
    column("artefact_bytes", BigInteger(), "Size of all its files", unit="bytes"),
    column("code_hash", Text(), "Hash of the code that read, learned and judged"),
    column(
        "feature_version",
        Text(),
        "Version of the features it was trained on; of frames of its own, of their declaration",
    ),
    moment("data_as_of", "Nothing ingested later was read"),
    moment("trained_from", "First decision learned from"),
    moment("trained_to", "When the last truth learned from became known; decisions from then on are out of sample"),
    column("training_rows", BigInteger(), "Decisions learned from", unit="rows"),
    column("series", Integer(), "Markets, pools or chains learned from", unit="series"),
    column("parameters", JSONB(), "What the learner was told"),
    column("metrics", JSONB(), "The report of validation: each fold, each series, every baseline, calibration"),
    column("best_baseline", Text(), "The baseline with the least error in validation"),
    number("skill", "1 less mean absolute error over the best baseline's, walked forward", unit="fraction"),
    number("skill_low", "Lower end of its 90 % block-bootstrap interval", unit="fraction"),
    number("skill_high", "Upper end of it", unit="fraction"),
    column("has_skill", Boolean(), "Whether the interval lies above zero and the skill reaches the bound of promotion"),
    moment("promoted_at", "When it last became champion", nullable=True),
    column("promoted_by", Text(), "Who made it champion: rule, or the user of the CLI", nullable=True),
    column("promoted_why", Text(), "Why", nullable=True),
    moment("retired_at", "When another took its place, or it was found to be worse", nullable=True),
    column(
        "training_set",
        Text(),
        "Frozen training set that it learned from; null where it read what was stored",
        nullable=True,
    ),
    *provenance(),
    PrimaryKeyConstraint("model", "version"),
    schema="models",
    comment="Every trained version of every forecast, with its figures against the best baseline and its state.",
    info={"series": ("model", "learner"), "time": "known_at"},
)

promotions = Table(
    "promotions",
    METADATA,
    column("model", Text(), "Forecast, as gas_4h"),
    moment("promoted_at", "When the champion changed"),
    column("action", Text(), "promoted or rolled_back"),
    column("version", Integer(), "The champion from then on", unit="number"),
    column("former_version", Integer(), "The champion until then", unit="number", nullable=True),
    column("promoted_by", Text(), "Who changed it: rule, or the user of the CLI"),
    column("why", Text(), "Why"),
    *provenance(),
    PrimaryKeyConstraint("model", "promoted_at"),
    schema="models",
    comment="Every change of champion: which version, who, when and why.",
    info={"series": ("model", "action"), "time": "promoted_at"},
)

__all__ = ["DATASET", "ModelState", "promotions", "registry"]

"""From a scorer's rule in the universe to the scorer.

What belongs here: which kind is made how. What does not: the kinds (lexicon.py, transformer.py), and what a run does without
one.
"""

from __future__ import annotations

from pathlib import Path

from crypto_assets.scoring.lexicon import crypto_scorer, vader_scorer
from crypto_assets.scoring.scorer import Scorer, ScorerUnavailable
from crypto_assets.scoring.transformer import ModelSource, open_transformer
from crypto_assets.universe_sources import ScorerRule


def open_scorer(rule: ScorerRule, models: Path | None = None) -> Scorer:
    """The scorer of a rule.

    Args:
        models: The folder in which folders of models lie.

    Raises:
        ScorerUnavailable: it cannot work here; says why.
    """
    if rule.kind == "lexicon":
        return crypto_scorer(rule.name)
    if rule.kind == "vader":
        return vader_scorer(rule.name)
    if rule.folder and models is None:
        raise ScorerUnavailable(
            f"{rule.name} lies in the folder {rule.folder} of models, and no folder of models is named",
            way_out="Set CRYPTO_ASSETS_MODELS.",
            scorer=rule.name,
        )
    folder = models / rule.folder if models and rule.folder else None
    return open_transformer(ModelSource(rule.name, rule.model, rule.revision, folder, rule.may_fetch))


__all__ = ["open_scorer"]

"""Scoring by a transformer that classifies texts, as CryptoBERT or FinBERT: optional, from disk, never from a pickle.

What belongs here: finding a model's folder, loading it, telling its labels, computing. What does not: which models are
used (the universe).

transformers and torch are an extra (`pip install 'crypto-assets[transformers]'`), so they are imported where a scorer is
opened. Weights come as safetensors only: a pickle runs whatever code it holds. A model from the hub is named with the
commit it stood at, for its owner can change what a branch holds. Where anything is missing the scorer is unavailable, and
says why; none is put in its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from crypto_assets.scoring.scorer import LABELS, NEGATIVE, NEUTRAL, POSITIVE, ScorerUnavailable, Scores

BATCH = 32
MOST_TOKENS = 128  # the longest headline on record has 70; what is longer is cut
# Models name the same three things in their own words and order: CryptoBERT bearish, neutral, bullish; FinBERT positive,
# negative, neutral.
MEANINGS: Mapping[str, str] = {
    "negative": NEGATIVE, "bearish": NEGATIVE, "neg": NEGATIVE,
    "neutral": NEUTRAL, "neu": NEUTRAL,
    "positive": POSITIVE, "bullish": POSITIVE, "pos": POSITIVE,
}  # fmt: skip
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_WANTED = ["*.json", "*.txt", "*.model", "*.safetensors"]  # no *.bin, no *.py
_HASHED_BYTES = 1 << 20


class UnknownLabels(ScorerUnavailable):
    """A model's labels do not say which are negative, neutral and positive."""


@dataclass(frozen=True)
class ModelSource:
    """Where a model lies.

    Args:
        name: The scorer's in the universe.
        model: Its id on the hub, as ProsusAI/finbert; empty for one from a folder.
        revision: The 40 hexadecimal digits of a commit on the hub.
        folder: A folder that holds it; None for one from the hub's cache.
        may_fetch: Whether it may be fetched from the hub where it is not on disk.
    """

    name: str
    model: str = ""
    revision: str = ""
    folder: Path | None = None
    may_fetch: bool = False


class _Classifier(Protocol):
    """A loaded model: probabilities, one row a text, one column a label of the model."""

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Classify a batch."""


@dataclass(frozen=True)
class TransformerScorer:
    """Scores texts by a model; the score is the probability of positive less that of negative.

    Args:
        model_version: The commit on the hub, or what the files of a folder hash to.
        columns: Which column of the model's answer is negative, neutral, positive.
    """

    model_id: str
    model_version: str
    columns: tuple[int, int, int]
    classify: _Classifier

    def score(self, texts: Sequence[str]) -> Scores:
        """Score texts, in batches.

        Raises:
            ScorerUnavailable: the model gave what are no probabilities.
        """
        found = [self.classify(batch) for batch in _batches(texts)]
        p = np.concatenate(found)[:, self.columns] if found else np.empty((0, 3))
        if not np.isfinite(p).all():
            raise ScorerUnavailable(
                f"{self.model_id} gave something other than numbers", way_out="Its files may be damaged.",
                scorer=self.model_id,
            )  # fmt: skip
        label = np.array(LABELS, dtype=object)[p.argmax(axis=1)]
        return Scores(label, p[:, 2] - p[:, 0], p[:, 0], p[:, 1], p[:, 2])


def open_transformer(source: ModelSource) -> TransformerScorer:
    """Load a model.

    Raises:
        ScorerUnavailable: the extra is not installed, the model is not on disk, it holds no safetensors, or it cannot be read.
        UnknownLabels: naming its labels.
    """
    folder = _folder(source)
    if not any((folder / name).is_file() for name in _WEIGHTS):
        raise _unavailable(source, "has no model.safetensors", "Convert it; weights that are pickles are not loaded.")
    try:
        torch, transformers = import_module("torch"), import_module("transformers")  # an extra, and seconds to import
    except ImportError as error:
        raise _unavailable(source, f"needs a library ({error})", _INSTALL) from None
    options = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **options)
        loaded = transformers.AutoModelForSequenceClassification.from_pretrained(
            folder, use_safetensors=True, **options
        )
        model = loaded.eval()
    except Exception as error:
        told = " ".join(str(error).split())[:200]
        raise _unavailable(source, f"cannot be loaded ({type(error).__name__}: {told})", "Fetch it again.") from error
    columns = label_columns(source.name, model.config.id2label)
    most = min(MOST_TOKENS, int(getattr(model.config, "max_position_embeddings", MOST_TOKENS)))

    def classify(texts: Sequence[str]) -> NDArray[np.float64]:
        encoded = tokenizer(list(texts), truncation=True, max_length=most, padding=True, return_tensors="pt")
        with torch.inference_mode():
            answer = torch.softmax(model(**encoded).logits.double(), dim=-1)
        probabilities: NDArray[np.float64] = answer.numpy()
        return probabilities

    return TransformerScorer(source.name, source.revision or _mark(folder), columns, classify)


def label_columns(scorer: str, id2label: Mapping[int, str]) -> tuple[int, int, int]:
    """Which of a model's columns is negative, neutral, positive. Pure.

    Raises:
        UnknownLabels: naming its labels.
    """
    found = {MEANINGS.get(str(label).strip().lower()): int(column) for column, label in id2label.items()}
    if len(id2label) != len(LABELS) or set(found) != set(LABELS):
        raise UnknownLabels(
            f"{scorer} has the labels {', '.join(str(label) for label in id2label.values())}",
            way_out="A model needs one label each for negative (or bearish), neutral and positive (or bullish).",
            scorer=scorer,
        )
    return found[NEGATIVE], found[NEUTRAL], found[POSITIVE]


_INSTALL = "Install the extra: `pip install 'crypto-assets[transformers]'`."


def _folder(source: ModelSource) -> Path:
    if source.folder is not None:
        if not source.folder.is_dir():
            raise _unavailable(
                source, f"is not on disk: no folder {source.folder.name}", "Put it below the models' folder."
            )
        return source.folder
    try:
        hub = import_module("huggingface_hub")  # comes with the extra
    except ImportError as error:
        raise _unavailable(source, f"needs a library ({error})", _INSTALL) from None
    try:
        return Path(
            hub.snapshot_download(
                source.model, revision=source.revision, allow_patterns=_WANTED, local_files_only=not source.may_fetch
            )
        )
    except Exception as error:
        way_out = "See whether the hub can be reached." if source.may_fetch else "Fetch it, or set may_fetch."
        told = f"is not on disk: {source.model} at {source.revision[:12]} ({type(error).__name__})"
        raise _unavailable(source, told, way_out) from error


def _unavailable(source: ModelSource, problem: str, way_out: str) -> ScorerUnavailable:
    return ScorerUnavailable(f"{source.name} {problem}", way_out=way_out, scorer=source.name)


def _mark(folder: Path) -> str:
    """What the files that decide a score hash to."""
    digest = sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in {".json", ".txt", ".model", ".safetensors"}:
            digest.update(path.name.encode())
            with path.open("rb") as file:
                while part := file.read(_HASHED_BYTES):
                    digest.update(part)
    return f"sha256-{digest.hexdigest()[:16]}"


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(texts), BATCH):
        yield texts[first : first + BATCH]


__all__ = ["MEANINGS", "ModelSource", "TransformerScorer", "UnknownLabels", "label_columns", "open_transformer"]

"""Transformers as scorers: labels by name, files from disk only, and who cannot work says why."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from crypto_assets.scoring.scorer import ScorerUnavailable
from crypto_assets.scoring.transformer import (
    ModelSource,
    TransformerScorer,
    UnknownLabels,
    label_columns,
    open_transformer,
)

HEADLINES = ["bitcoin hits a record high", "exchange hacked", "a quiet day"]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted({word for line in HEADLINES for word in line.split()})]


def test_labels_are_found_by_name_in_any_order() -> None:
    assert label_columns("cryptobert", {0: "Bearish", 1: "Neutral", 2: "Bullish"}) == (0, 1, 2)
    assert label_columns("finbert", {0: "positive", 1: "negative", 2: "neutral"}) == (1, 2, 0)
    assert label_columns("other", {2: "NEG", 0: "neu", 1: " Positive "}) == (2, 0, 1)


@pytest.mark.parametrize(
    "labels",
    [
        {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"},
        {0: "negative", 1: "positive"},
        {0: "negative", 1: "bearish", 2: "positive"},
        {0: "negative", 1: "neutral", 2: "positive", 3: "mixed"},
    ],
)
def test_labels_that_say_nothing_are_named(labels: dict[int, str]) -> None:
    with pytest.raises(UnknownLabels, match=", ".join(labels.values())) as caught:
        label_columns("mine", labels)
    assert caught.value.scorer == "mine"


def _answers(*rows: Sequence[float]) -> TransformerScorer:
    def classify(texts: Sequence[str]) -> NDArray[np.float64]:
        return np.array(rows[: len(texts)], dtype=np.float64)

    return TransformerScorer("finbert", "1", (1, 2, 0), classify)


def test_the_score_is_positive_less_negative() -> None:
    scores = _answers((0.7, 0.1, 0.2), (0.1, 0.6, 0.3), (0.25, 0.25, 0.5)).score(HEADLINES)
    assert scores.label.tolist() == ["positive", "negative", "neutral"]
    assert scores.score.tolist() == pytest.approx([0.6, -0.5, 0.0])
    assert scores.p_neutral.tolist() == [0.2, 0.3, 0.5]
    assert len(_answers().score([])) == 0


def test_what_is_no_number_is_no_score() -> None:
    with pytest.raises(ScorerUnavailable, match="finbert gave something other than numbers"):
        _answers((float("nan"), 0.1, 0.2)).score(HEADLINES[:1])


def test_a_model_that_is_not_there_is_unavailable_by_name(tmp_path: Path) -> None:
    with pytest.raises(ScorerUnavailable, match="mine is not on disk: no folder absent"):
        open_transformer(ModelSource("mine", folder=tmp_path / "absent"))
    (tmp_path / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(ScorerUnavailable, match=r"mine has no model\.safetensors") as caught:
        open_transformer(ModelSource("mine", folder=tmp_path))
    assert caught.value.scorer == "mine"


def test_without_the_extra_a_scorer_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torch", "transformers", "huggingface_hub"):
        monkeypatch.setitem(sys.modules, name, None)  # as where nothing is installed
    (tmp_path / "model.safetensors").write_bytes(b"")
    for source in (ModelSource("mine", folder=tmp_path), ModelSource("mine", model="a/b", revision="0" * 40)):
        with pytest.raises(ScorerUnavailable, match=r"mine needs a library .*crypto-assets\[transformers\]"):
            open_transformer(source)


def _saved_model(folder: Path, labels: dict[int, str]) -> Path:
    """A tiny classifier with random weights, saved as its users save theirs."""
    torch = pytest.importorskip("torch", reason="the extra [transformers] is not installed")
    transformers = pytest.importorskip("transformers", reason="the extra [transformers] is not installed")
    torch.manual_seed(7)
    config = transformers.BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=32, id2label=labels, label2id={label: place for place, label in labels.items()},
    )  # fmt: skip
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def test_a_saved_model_is_loaded_and_scores_as_it_does_by_itself(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="the extra [transformers] is not installed")
    transformers = pytest.importorskip("transformers", reason="the extra [transformers] is not installed")
    folder = _saved_model(tmp_path, {0: "positive", 1: "negative", 2: "neutral"})
    scorer = open_transformer(ModelSource("tiny", folder=folder))
    assert scorer.columns == (1, 2, 0)
    texts = [*HEADLINES, "bitcoin " * 500, "", *HEADLINES * 20]
    scores = scorer.score(texts)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    for place, text in enumerate(texts[:5]):
        encoded = tokenizer([text], truncation=True, max_length=32, return_tensors="pt")
        with torch.inference_mode():
            positive, negative, neutral = torch.softmax(model(**encoded).logits, dim=-1)[0].tolist()
        assert scores.p_negative[place] == pytest.approx(negative, abs=1e-5)
        assert scores.p_neutral[place] == pytest.approx(neutral, abs=1e-5)
        assert scores.score[place] == pytest.approx(positive - negative, abs=1e-5)
    assert np.allclose(scores.p_negative + scores.p_neutral + scores.p_positive, 1)
    assert scores.score[:3] == pytest.approx(scores.score[5:8], abs=1e-5)  # whatever else is in its batch


def test_the_version_is_what_the_files_are(tmp_path: Path) -> None:
    folder = _saved_model(tmp_path / "one", {0: "Bearish", 1: "Neutral", 2: "Bullish"})
    version = open_transformer(ModelSource("tiny", folder=folder)).model_version
    assert version == open_transformer(ModelSource("tiny", folder=folder)).model_version
    other = _saved_model(tmp_path / "two", {0: "Bullish", 1: "Neutral", 2: "Bearish"})
    assert open_transformer(ModelSource("tiny", folder=other)).model_version != version


def test_damaged_weights_and_labels_without_meaning_are_told(tmp_path: Path) -> None:
    folder = _saved_model(tmp_path / "cut", {0: "Bearish", 1: "Neutral", 2: "Bullish"})
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:500])
    with pytest.raises(ScorerUnavailable, match="tiny cannot be loaded"):
        open_transformer(ModelSource("tiny", folder=folder))
    with pytest.raises(UnknownLabels, match="LABEL_0, LABEL_1, LABEL_2"):
        open_transformer(
            ModelSource("tiny", folder=_saved_model(tmp_path / "x", {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}))
        )


def test_a_model_of_the_hub_that_is_not_in_its_cache_is_not_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="the extra [transformers] is not installed")
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ScorerUnavailable, match="finbert is not on disk: ProsusAI/finbert at 000000000000"):
        open_transformer(ModelSource("finbert", model="ProsusAI/finbert", revision="0" * 40))

"""Models from the store: the same numbers in another process, and nothing that its manifest does not say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from crypto_assets.forecasting.artefacts import ArtefactMissing, ArtefactRefused, ArtefactTampered, Json, Store
from crypto_assets.forecasting.lightgbm_learner import LightGbm, LightGbmModel
from crypto_assets.forecasting.loading import load
from crypto_assets.forecasting.onnx_model import OnnxModel
from crypto_assets_tests.forecasting.planted import FORECAST, NAMES, planted

FRAME = planted(200)
ROWS = np.arange(200)

RELOADED = """
import sys
import numpy as np
from crypto_assets.forecasting.artefacts import Store
from crypto_assets.forecasting.loading import load
from crypto_assets_tests.forecasting.planted import planted

store, frame = Store(sys.argv[1]), planted(200)
said = [load(store, digest).predict(frame, np.arange(200)) for digest in sys.argv[3:]]
np.save(sys.argv[2], np.array([[one.q10, one.yhat, one.q90] for one in said]))
for library in ("jax", "onnx", "torch", "pickle5"):
    assert library not in sys.modules, library
"""


@pytest.fixture(scope="module")
def trees() -> LightGbmModel:
    return LightGbm(rounds=30, threads=1).fit(FORECAST, FRAME, ROWS)


def about(learner: str, *inputs: str) -> dict[str, Json]:
    return {"learner": learner, "forecast": "gas_1h", "inputs": list(inputs or NAMES)}


def graph() -> OnnxModel:
    pytest.importorskip("onnx", reason="the extra [lstm] is not installed")
    from crypto_assets.forecasting.lstm_onnx import export  # noqa: PLC0415
    from crypto_assets_tests.forecasting.test_onnx_model import drawn  # noqa: PLC0415

    return OnnxModel(export(drawn(), NAMES, 24))


def test_another_process_gives_the_same_numbers(tmp_path: Path, trees: LightGbmModel) -> None:
    store, recurrent = Store(tmp_path / "models"), graph()
    digests = [
        store.put(model.files(), about(learner)).sha256
        for model, learner in ((trees, "lightgbm"), (recurrent, "lstm"))
    ]  # fmt: skip
    out = tmp_path / "said.npy"
    subprocess.run([sys.executable, "-c", RELOADED, str(tmp_path / "models"), str(out), *digests], check=True)
    found = np.load(out)
    for model, (low, middle, high), most in ((trees, found[0], 0.0), (recurrent, found[1], 1e-6)):
        said = model.predict(FRAME, ROWS)
        for here, there in ((said.q10, low), (said.yhat, middle), (said.q90, high)):
            assert np.isnan(here).tolist() == np.isnan(there).tolist()
            assert np.nanmax(np.abs(here - there)) <= most
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1][:, :23]).all()
    assert np.isfinite(found[1][:, 23:]).all()


def test_what_was_tampered_with_or_is_missing_is_never_parsed(
    tmp_path: Path, trees: LightGbmModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    digest = store.put(trees.files(), about("lightgbm")).sha256
    monkeypatch.setattr("crypto_assets.forecasting.lightgbm_learner._booster", lambda *_: pytest.fail("parsed"))
    path = tmp_path / digest / "q50.txt"
    path.write_bytes(path.read_bytes().replace(b"leaf_value=", b"leaf_value= ", 1))
    with pytest.raises(ArtefactTampered, match=r"q50\.txt"):
        load(store, digest)
    path.unlink()
    with pytest.raises(ArtefactMissing, match=r"q50\.txt"):
        load(store, digest)


def test_a_manifest_that_says_something_else_than_its_files_is_refused(tmp_path: Path, trees: LightGbmModel) -> None:
    store, files = Store(tmp_path), trees.files()
    for said, told in [
        (about("forest"), "learner 'forest', and these are known: lightgbm, lstm"),
        (about("lightgbm", "other", "noise", "gaps"), "learned other inputs than its manifest says"),
        (about("lstm"), r"is model\.onnx, and this one q10\.txt, q50\.txt, q90\.txt"),
    ]:
        with pytest.raises(ArtefactRefused, match=told):
            load(store, store.put(files, said).sha256)
    with pytest.raises(ArtefactRefused, match=r"is q10\.txt, q50\.txt, q90\.txt, and this one more\.txt, q10\.txt"):
        load(store, store.put({**files, "more.txt": b"more"}, about("lightgbm")).sha256)

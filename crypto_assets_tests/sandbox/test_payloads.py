"""The sandbox's answers beside recorded ones: the same keys and types, and the same rules between their parts."""

import gzip
import json
import urllib.request

import pytest

from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets_tests.playing import NOW, RECORDINGS, needs_recordings

pytestmark = needs_recordings


def _recorded(name: str) -> object:
    return json.loads(gzip.decompress((RECORDINGS / "ccxt" / name).read_bytes()))


def _answered(sandbox: SandboxProcess, path: str) -> object:
    with urllib.request.urlopen(f"{sandbox.url}/{path}", timeout=10) as answer:
        return json.loads(answer.read())


def _rows(payload: object) -> tuple[str, list[list[object]], int]:
    assert isinstance(payload, dict)
    assert payload["error"] == []
    result = payload["result"]
    [pair] = result.keys() - {"last"}
    return pair, result[pair], result["last"]


def _types(one: object) -> dict[str, str]:
    assert isinstance(one, dict)
    return {key: type(value).__name__ for key, value in one.items()}


def test_krakens_bars_are_those_of_a_recorded_answer_in_shape_number_and_last(sandbox: SandboxProcess) -> None:
    _, recorded, recorded_last = _rows(_recorded("kraken_http_ohlc.json.gz"))
    pair, answered, last = _rows(_answered(sandbox, "api.kraken.com/0/public/OHLC?pair=XBTUSDT&interval=1"))
    assert pair == "XBTUSDT"
    assert {tuple(type(cell) for cell in row) for row in answered} == {
        tuple(type(cell) for cell in row) for row in recorded
    }
    assert len(answered) == len(recorded) == 721
    assert last == answered[-2][0]
    assert recorded_last == recorded[-2][0]
    assert answered[-1][0] == int(NOW.timestamp()) - 30


def test_gates_pairs_have_each_key_of_a_recorded_one_with_its_type(sandbox: SandboxProcess) -> None:
    recorded = _recorded("gate_currency_pairs.json.gz")
    answered = _answered(sandbox, "api.gateio.ws/api/v4/spot/currency_pairs")
    assert isinstance(recorded, list)
    assert isinstance(answered, list)
    for pair in answered:
        for known in recorded:
            assert _types(known).items() <= _types(pair).items()


def test_krakens_pairs_have_each_key_of_a_recorded_one_with_its_type(sandbox: SandboxProcess) -> None:
    recorded = _recorded("kraken_assetpairs.json.gz")
    answered = _answered(sandbox, "api.kraken.com/0/public/AssetPairs")
    assert isinstance(recorded, dict)
    assert isinstance(answered, dict)
    known = next(iter(recorded["result"].values()))
    for pair in answered["result"].values():
        assert _types(known).items() <= _types(pair).items()


@pytest.mark.parametrize(("pair", "served"), [("XXBTZUSD", "XXBTZUSD"), ("XBTUSD", "XXBTZUSD"), ("SOLUSD", "SOLUSD")])
def test_kraken_names_a_pair_by_its_own_id_however_it_is_asked_for(
    sandbox: SandboxProcess, pair: str, served: str
) -> None:
    assert _rows(_answered(sandbox, f"api.kraken.com/0/public/OHLC?pair={pair}&interval=60"))[0] == served

"""Playback of recorded pools: what the files hold, digit for digit, and their traps."""

import gzip
import json
import shutil
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.pools import NO_POOLS
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.sandbox.recorded_pool_files import FULL_POOL, PoolFiles, digits_as_utc
from crypto_assets.sandbox.recorded_pools import RecordedPools
from crypto_assets.sandbox.recording_files import RecordingError

BUSY = "Cnd9CKtG6meUJqKu9NkSeriAgzPSbQpZV5qwq5B44Spz"
FAR_MS = 4_102_444_800_000
HOUR, DAY = 3_600_000, 86_400_000


@pytest.fixture(scope="module")
def pools(recordings: Path) -> RecordedPools:
    return RecordedPools(recordings)


def _raw(recordings: Path, name: str) -> Mapping[str, object]:
    content = (recordings / "gecko" / "api" / name).read_bytes()
    found = json.loads(gzip.decompress(content) if name.endswith(".gz") else content)
    assert isinstance(found, dict)
    return found


def _get(process: SandboxProcess, path: str) -> dict[str, object]:
    with urllib.request.urlopen(f"{process.url}/api.geckoterminal.com/api/v2/{path}", timeout=20) as answer:
        found = json.loads(answer.read())
    assert isinstance(found, dict)
    return found


def test_lists_are_played_as_recorded(playback: SandboxProcess, recordings: Path) -> None:
    include = "include=base_token,quote_token,dex"
    assert _get(playback, "networks") == _raw(recordings, "get_networks.json")
    assert _get(playback, "networks/eth/dexes")["data"] == _raw(recordings, "get_dexes_by_network.json")["data"]
    assert _get(playback, "networks/eth/new_pools") == _raw(recordings, "get_new_pools_by_network.json")
    assert _get(playback, "networks/eth/pools")["data"] == _raw(recordings, "get_top_pools_by_network.json")["data"]
    assert _get(playback, f"networks/solana/new_pools?{include}") == _raw(recordings, "new_pools_by_network.json.gz")


def test_bars_are_played_with_all_digits(playback: SandboxProcess, recordings: Path) -> None:
    recorded = _raw(recordings, "OHLCV_validation_test_hour.json.gz")
    data = recorded["data"]
    assert isinstance(data, dict)
    rows = data["attributes"]["ohlcv_list"]
    answer = _get(
        playback, f"networks/solana/pools/{FULL_POOL}/ohlcv/hour?limit=1000&before_timestamp={rows[0][0] + 1}"
    )
    played = answer["data"]
    assert isinstance(played, dict)
    assert played["attributes"]["ohlcv_list"][: len(rows)] == rows
    assert answer["meta"] == recorded["meta"]


def test_a_recorded_page_of_trades_is_played_digit_for_digit(pools: RecordedPools, recordings: Path) -> None:
    with gzip.open(recordings / "gecko" / "tables" / "specs_get_trades.csv.gz", "rt") as lines:
        recorded = [line.strip().split(",") for line in lines][1:]
    trades = pools.trades("solana", FULL_POOL, 0)
    assert trades is not None
    assert len(trades) == 300
    by_id = {trade.id: trade for trade in trades}
    for row in recorded:
        trade = by_id[row[0]]
        assert [trade.from_token_amount, trade.to_token_amount, trade.price_from_in_usd, trade.volume_in_usd] == [
            row[5],
            row[6],
            row[9],
            row[13],
        ]
    assert trades[-1].id == recorded[0][0]


def test_the_digits_of_a_mislabelled_time_are_utc(pools: RecordedPools, recordings: Path) -> None:
    assert digits_as_utc("2025-09-16T03:02:17-06:00") == 1_757_991_737
    trades = PoolFiles(recordings / "gecko").trades()[BUSY]
    delays = [int(trade.id.rsplit("_", 1)[1]) - trade.traded_at for trade in trades]
    assert 2 <= min(delays) <= max(delays) <= 33
    assert [trade.traded_at for trade in trades] == sorted(trade.traded_at for trade in trades)
    rows = parquet.read_table(recordings / "gecko" / "tables" / "trades_backup_2025-09-16.parquet").to_pylist()
    assert {trade.volume_in_usd for trade in trades} <= {row["volume_usd"] for row in rows}
    page = pools.trades("solana", BUSY, 0)
    assert page == trades[-300:]


def test_missing_prices_follow_from_the_amounts(pools: RecordedPools) -> None:
    page = pools.trades("solana", BUSY, 5)
    assert page
    for trade in page:
        given, taken = float(trade.from_token_amount), float(trade.to_token_amount)
        assert given * float(trade.price_from_in_usd) == pytest.approx(float(trade.volume_in_usd), rel=0.01)
        assert taken * float(trade.price_to_in_usd) == pytest.approx(float(trade.volume_in_usd), rel=0.01)
        assert float(trade.volume_in_usd) > 5


def test_each_pool_has_a_clock_of_its_own(pools: RecordedPools) -> None:
    assert pools.now_ms("solana", BUSY) == 1_758_076_140_000 + 30_000  # the middle of its last minute
    assert pools.now_ms("solana", FULL_POOL) == 1_757_145_360_000 + 30_000
    assert pools.now_ms() == pools.now_ms("solana", BUSY)
    assert pools.now_ms("eth", "0x5f97e72e16d9a6ffec6c70589c61ee224494ccda") == pools.now_ms()


def test_a_length_that_was_not_recorded_is_made_from_a_shorter_one(pools: RecordedPools) -> None:
    address = "22MupCLSvLrzLAx8CxTHq4wJgrLdra1TeJk1qjTs9wK2"  # hours only
    hours = pools.last_bars("solana", address, HOUR, FAR_MS, 1000)
    days = pools.last_bars("solana", address, DAY, FAR_MS, 1000)
    minutes = pools.last_bars("solana", address, 60_000, FAR_MS, 1000)
    assert hours is not None
    assert days is not None
    assert minutes is not None
    assert len(hours) == 56
    assert len(minutes) == 0
    first = hours.take(hours.opened_at_ms < days.opened_at_ms[0] + DAY)
    assert days.values["volume_base"][0] == pytest.approx(first.values["volume_base"].sum())
    assert days.values["high"][0] == first.values["high"].max()
    cut = pools.last_bars("solana", address, HOUR, int(hours.opened_at_ms[10]), 3)
    assert cut is not None
    assert cut.opened_at_ms.tolist() == hours.opened_at_ms[7:10].tolist()
    assert pools.quote_prices("solana", address, np.array([1])) is None


def test_pools_of_the_tables_are_listed_the_busiest_first(pools: RecordedPools) -> None:
    top = pools.top_pools("solana", "pumpswap")
    assert top is not None
    assert len(top) == 54
    assert top[:2] == [BUSY, FULL_POOL]
    state = pools.pool("solana", BUSY)
    assert state is not None
    transactions = state.attributes["transactions"]
    assert isinstance(transactions, dict)
    assert transactions["h24"]["buys"] + transactions["h24"]["sells"] == 5298
    assert pools.top_pools("solana", "nothing") is None
    assert pools.top_pools("nowhere") is None
    assert pools.trades("solana", "nothing", 0) is None
    token = pools.token("solana", "5LKHMd2rMSRaG9y4iHwSLRtrJ3dCrJ2CytvBeak8pump")
    assert token is not None
    assert (token.attributes["symbol"], list(token.top_pools)) == ("CBRL", [FULL_POOL])
    assert pools.token("solana", "nothing") is None


def test_a_folder_without_pools_has_none_and_a_broken_file_is_named(recordings: Path, tmp_path: Path) -> None:
    assert SandboxConfig(recordings=tmp_path).pools() is NO_POOLS
    (tmp_path / "gecko" / "api").mkdir(parents=True)
    with pytest.raises(RecordingError, match="no bars or trades"):
        RecordedPools(tmp_path)
    shutil.copy(recordings / "gecko" / "api" / "get_networks.json", tmp_path / "gecko" / "api" / "get_networks.json")
    broken = tmp_path / "gecko" / "api" / "get_dexes_by_network.json"
    broken.write_text("{")
    with pytest.raises(RecordingError, match=r"get_dexes_by_network\.json"):
        RecordedPools(tmp_path)
    broken.write_text("{}")
    (tmp_path / "gecko" / "tables").mkdir()
    (tmp_path / "gecko" / "tables" / "ohlcv_backup_2025-09-16.parquet").write_bytes(b"nothing")
    with pytest.raises(RecordingError, match=r"ohlcv_backup"):
        RecordedPools(tmp_path)


def test_prices_in_a_token_are_refused_where_they_are_not_known(playback: SandboxProcess) -> None:
    with pytest.raises(urllib.error.HTTPError, match="422"):
        _get(playback, f"networks/solana/pools/{BUSY}/ohlcv/hour?currency=token")

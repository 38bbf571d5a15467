"""GeckoTerminal's wire format over HTTP: its shapes, errors, limits and faults, the clock, and a client that reads it."""

import asyncio
import gzip
import json
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from geckoterminal_py import GeckoTerminalAsyncClient, GeckoTerminalSyncClient

from crypto_assets.sandbox.budgets import Limit
from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets_tests.playing import NOW

type Json = dict[str, object]

HOST = "api.geckoterminal.com/api/v2"
FIRST = NOW.timestamp() - NOW.timestamp() % 60


def _ask(process: SandboxProcess, path: str) -> tuple[int, Json, str]:
    try:
        with urllib.request.urlopen(f"{process.url}/{HOST}/{path}", timeout=20) as answer:
            return answer.status, json.loads(answer.read()), answer.headers["Date"]
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read()), error.headers["Retry-After"] or ""


def _get(process: SandboxProcess, path: str) -> Json:
    status, body, _ = _ask(process, path)
    assert status == 200, body
    return body


def _data(process: SandboxProcess, path: str) -> list[Json]:
    found = _get(process, path)["data"]
    assert isinstance(found, list)
    return found


def _bars(process: SandboxProcess, path: str) -> list[list[float]]:
    found = _at(_get(process, path), "data", "attributes", "ohlcv_list")
    assert isinstance(found, list)
    return found


def _at(content: object, *names: str) -> object:
    for name in names:
        assert isinstance(content, dict)
        content = content[name]
    return content


def _addresses(process: SandboxProcess, path: str) -> list[str]:
    return [str(_at(one, "attributes", "address")) for one in _data(process, path)]


def _recorded(recordings: Path, name: str) -> Json:
    content = (recordings / "gecko" / "api" / name).read_bytes()
    found = json.loads(gzip.decompress(content) if name.endswith(".gz") else content)
    assert isinstance(found, dict)
    return found


def _shape(content: object) -> object:
    """Keys all the way down; of a list the shapes of its members, each once."""
    if isinstance(content, dict):
        return {name: _shape(one) for name, one in content.items()}
    if isinstance(content, list):
        return sorted({json.dumps(_shape(one), sort_keys=True) for one in content})
    return None


@pytest.fixture
def pool(sandbox: SandboxProcess) -> str:
    """The busiest pool of an exchange."""
    return _addresses(sandbox, "networks/solana/dexes/pumpswap/pools")[0]


@pytest.fixture(scope="module")
def movable() -> Iterator[SandboxProcess]:
    with SandboxProcess(SandboxConfig(now=NOW.isoformat())) as process:
        yield process


def test_lists_have_the_shape_of_the_recordings(sandbox: SandboxProcess, recordings: Path) -> None:
    for path, name in (
        ("networks", "get_networks.json"),
        ("networks/eth/dexes", "get_dexes_by_network.json"),
        ("networks/solana/new_pools?include=base_token,quote_token,dex", "new_pools_by_network.json.gz"),
    ):
        assert _shape(_get(sandbox, path)) == _shape(_recorded(recordings, name))


def test_bars_have_the_shape_of_the_recordings(sandbox: SandboxProcess, pool: str, recordings: Path) -> None:
    found = _get(sandbox, f"networks/solana/pools/{pool}/ohlcv/hour?limit=3")
    recorded = _recorded(recordings, "OHLCV_validation_test_hour.json.gz")
    assert _shape(found) == _shape(recorded)
    assert _at(found, "data", "type") == _at(recorded, "data", "type")
    rows = _at(found, "data", "attributes", "ohlcv_list")
    assert isinstance(rows, list)
    assert [[type(number) for number in row] for row in rows] == [[int] + [float] * 5] * 3


def test_trades_have_the_attributes_of_the_recordings(sandbox: SandboxProcess, pool: str, recordings: Path) -> None:
    with gzip.open(recordings / "gecko" / "tables" / "specs_get_trades.csv.gz", "rt") as lines:
        renamed = {"side": "kind", "volume_usd": "volume_in_usd"}
        recorded = [renamed.get(name, name) for name in lines.readline().strip().split(",")]
    trades = _data(sandbox, f"networks/solana/pools/{pool}/trades")
    assert len(trades) == 300
    attributes = trades[0]["attributes"]
    assert isinstance(attributes, dict)
    assert {"id", "type", *attributes} == set(recorded)
    assert {name for name, value in attributes.items() if not isinstance(value, str)} == {"block_number"}
    times = [str(_at(trade, "attributes", "block_timestamp")) for trade in trades]
    assert times == sorted(times, reverse=True)
    assert times[0] <= "2026-03-10T12:00:30Z"
    above = _data(sandbox, f"networks/solana/pools/{pool}/trades?trade_volume_in_usd_greater_than=500.5")
    assert above
    assert min(float(str(_at(trade, "attributes", "volume_in_usd"))) for trade in above) > 500.5


def test_two_hundred_pools_are_listed_on_ten_pages(sandbox: SandboxProcess) -> None:
    pages = [_addresses(sandbox, f"networks/solana/dexes/pumpswap/pools?page={page}") for page in range(1, 11)]
    assert [len(page) for page in pages] == [20] * 10
    assert len({address for page in pages for address in page}) == 200
    assert _ask(sandbox, "networks/solana/dexes/pumpswap/pools?page=11")[0] == 400
    assert _data(sandbox, "networks/polygon_pos/pools?page=2") == []


def test_ids_of_a_network_with_an_underscore(sandbox: SandboxProcess) -> None:
    answer = _get(sandbox, "networks/polygon_pos/dexes/quickswap_v3/pools?include=base_token,dex")
    rows, included = answer["data"], answer["included"]
    assert isinstance(rows, list)
    assert isinstance(included, list)
    for row in rows:
        address = _at(row, "attributes", "address")
        assert row["id"] == f"polygon_pos_{address}"
        assert str(_at(row, "relationships", "base_token", "data", "id")).startswith("polygon_pos_0x")
    assert {one["type"] for one in included} == {"token", "dex"}
    assert {"WETH", "WBTC"} < {_at(one, "attributes", "symbol") for one in included if one["type"] == "token"}
    trades = _data(sandbox, f"networks/polygon_pos/pools/{_at(rows[0], 'attributes', 'address')}/trades")
    assert str(trades[0]["id"]).startswith("polygon_pos_")


def test_bars_come_newest_first_and_before_a_moment(sandbox: SandboxProcess, pool: str) -> None:
    path = f"networks/solana/pools/{pool}/ohlcv"
    rows = _bars(sandbox, f"{path}/minute")
    assert len(rows) == 100
    assert [row[0] for row in rows] == sorted({row[0] for row in rows}, reverse=True)
    assert rows[0][0] <= FIRST
    older = _bars(sandbox, f"{path}/minute?before_timestamp={int(rows[0][0])}&limit=5000")
    assert len(older) == 1000
    assert older[:99] == rows[1:]
    quarter = _bars(sandbox, f"{path}/minute?aggregate=15&limit=1")
    assert quarter[0][0] % 900 == 0
    assert [row[0] for row in _bars(sandbox, f"{path}/hour?aggregate=12&limit=2")] == [1773144000, 1773100800]
    ancient = _bars(sandbox, f"{path}/day?before_timestamp=1577836800")
    assert ancient == []


def test_bars_in_the_other_token_and_currency(sandbox: SandboxProcess) -> None:
    pools = _data(sandbox, "networks/solana/dexes/heaven/pools?include=quote_token")
    address = next(
        _at(one, "attributes", "address")
        for one in pools
        if "SOL" in str(_at(one, "attributes", "name")).split(" / ")[1]
    )
    path = f"networks/solana/pools/{address}/ohlcv/hour?limit=5&currency="
    usd, native, inverse, quote = (
        _bars(sandbox, path + query) for query in ("usd", "token", "token&token=quote", "usd&token=quote")
    )
    for one, other, inverted, sol in zip(usd, native, inverse, quote, strict=True):
        assert one[1] == pytest.approx(other[1] * sol[1])
        assert inverted[2] == pytest.approx(1 / other[3])
        assert 100 < sol[1] < 300


def test_states_of_a_pool_and_a_token(sandbox: SandboxProcess, pool: str) -> None:
    one = _get(sandbox, f"networks/solana/pools/{pool}?include=base_token")
    many = _get(sandbox, f"networks/solana/pools/multi/{pool},nothing?include=base_token")
    assert many["data"] == [one["data"]]
    assert many["included"] == one["included"]
    token = str(_at(one, "data", "relationships", "base_token", "data", "id")).removeprefix("solana_")
    alone = _get(sandbox, f"networks/solana/tokens/{token}?include=top_pools")
    attributes = _at(alone, "data", "attributes")
    assert isinstance(attributes, dict)
    assert (attributes["address"], attributes["symbol"], attributes["decimals"]) == (token, "SOL", 9)
    several = _get(sandbox, f"networks/solana/tokens/multi/{token},nothing?include=top_pools")
    assert len(_data(sandbox, f"networks/solana/tokens/multi/{token},nothing")) == 1
    included = several["included"]
    assert isinstance(included, list)
    assert [row["id"] for row in included] == [f"solana_{pool}"]
    assert _addresses(sandbox, f"networks/solana/tokens/{token}/pools")[0] == pool


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("networks/nowhere/pools", 404),
        ("networks/nowhere/pools/multi/a", 404),
        ("networks/solana/dexes/nothing/pools", 404),
        ("networks/solana/pools/nothing", 404),
        ("networks/solana/pools/nothing/trades", 404),
        ("networks/solana/pools/nothing/ohlcv/day", 404),
        ("networks/eth/tokens/0x0000000000000000000000000000000000000001", 404),
        ("networks/eth/nothing/at/all", 404),
        ("networks/solana/pools?page=0", 400),
        ("networks/solana/pools?page=first", 400),
        ("networks/solana/pools?sort=name", 400),
        ("networks/solana/pools/multi/" + ",".join("a" * 31), 400),
        ("networks/solana/tokens/multi/" + ",".join("a" * 31), 400),
        ("networks/solana/pools/{pool}/ohlcv/hour?aggregate=2", 400),
        ("networks/solana/pools/{pool}/ohlcv/second", 400),
        ("networks/solana/pools/{pool}/ohlcv/day?before_timestamp=soon", 400),
        ("networks/solana/pools/{pool}/trades?trade_volume_in_usd_greater_than=nan", 400),
    ],
)
def test_mistakes_are_answered_as_documented(sandbox: SandboxProcess, pool: str, path: str, status: int) -> None:
    answered, body, _ = _ask(sandbox, path.format(pool=pool))
    errors = body["errors"]
    assert answered == status
    assert isinstance(errors, list)
    assert errors[0]["status"] == str(status)
    assert errors[0]["title"]
    if status == 404:
        assert body == {"errors": [{"status": "404", "title": "Not Found"}]}


def test_faults_strike_bars_and_trades(sandbox: SandboxProcess, pool: str) -> None:
    bars, trades = (f"networks/solana/pools/{pool}/{name}" for name in ("ohlcv/minute?limit=10", "trades"))
    whole, page = _bars(sandbox, bars), _data(sandbox, trades)

    def struck(kind: str, count: int = 2) -> None:
        sandbox.set_faults([Fault.model_validate({"kind": kind, "venue": "geckoterminal", "bars": count})])

    struck("missing_bars")
    assert len(_bars(sandbox, bars)) == 8
    struck("duplicate_bars")
    assert len(_bars(sandbox, bars)) == 11
    struck("ohlc_broken")
    assert sum(row[2] < row[3] for row in _bars(sandbox, bars)) == 1
    struck("late_bars", 1)
    assert [row for row in whole if row not in _bars(sandbox, bars)] == [row for row in whole if row[0] == FIRST - 60]
    struck("null_rows")
    assert [row for row in _bars(sandbox, bars) if row is None] == [None, None]
    assert [row for row in _data(sandbox, trades) if row is None] == [None, None]
    struck("late_trades", 5)
    assert _data(sandbox, trades) == page[5:]
    struck("missing_trades")
    assert len(_data(sandbox, trades)) == 298
    struck("duplicate_trades")
    assert len(_data(sandbox, trades)) == 301
    sandbox.set_faults([Fault(kind="throttled", venue="geckoterminal", retry_after="7")])
    status, body, retry_after = _ask(sandbox, trades)
    assert (status, _at(body, "status", "error_code"), retry_after) == (429, 429, "7")
    sandbox.set_faults([Fault(kind="unavailable", venue="geckoterminal", times=1)])
    assert [_ask(sandbox, trades)[0] for _ in range(2)] == [503, 200]
    for kind in ("html_200", "truncated_json"):
        struck(kind)
        with pytest.raises(json.JSONDecodeError):
            _ask(sandbox, bars)


def test_thirty_requests_a_minute_are_let_through_until_the_clock_moves(movable: SandboxProcess) -> None:
    movable.set_now(NOW)
    movable.set_limits({"geckoterminal": Limit(weight=30, seconds=60)})
    answers = [_ask(movable, "networks") for _ in range(32)]
    assert [status for status, _, _ in answers] == [200] * 30 + [429] * 2
    assert answers[-1][2] == "60"
    assert _at(answers[-1][1], "status", "error_code") == 429
    movable.set_now(NOW + timedelta(seconds=59))
    assert _ask(movable, "networks")[0] == 429
    movable.set_now(NOW + timedelta(seconds=60))
    assert _ask(movable, "networks")[0] == 200
    assert movable.busiest("geckoterminal")["60"] == 33
    assert movable.refused()["geckoterminal"] == 3
    movable.set_now(NOW - timedelta(days=1))  # set back, the windows begin empty
    assert _ask(movable, "networks")[0] == 200
    movable.clear_limits()


def test_the_clock_moves_market_and_pools(movable: SandboxProcess) -> None:
    address = _addresses(movable, "networks/solana/dexes/pumpswap/pools")[0]
    path = f"networks/solana/pools/{address}/trades"
    later = NOW + timedelta(days=3, hours=1)
    movable.set_now(NOW)
    before = {str(one["id"]) for one in _data(movable, path)}
    movable.set_now(later)
    status, body, date = _ask(movable, path)
    assert (status, date) == (200, "Fri, 13 Mar 2026 13:00:30 GMT")
    rows = body["data"]
    assert isinstance(rows, list)
    assert not before & {row["id"] for row in rows}
    with urllib.request.urlopen(f"{movable.url}/api.binance.com/api/v3/time", timeout=10) as answer:
        assert json.loads(answer.read()) == {"serverTime": int(later.timestamp() * 1000)}
    movable.set_now(NOW)
    assert {str(one["id"]) for one in _data(movable, path)} == before


def test_a_clock_is_set_only_where_it_stands(movable: SandboxProcess) -> None:
    for content in (b'{"now": "noon"}', b"[]", b"no json"):
        request = urllib.request.Request(f"{movable.url}/__sandbox__/clock", content, method="POST")
        with pytest.raises(urllib.error.HTTPError, match="400"):
            urllib.request.urlopen(request, timeout=10)
    with SandboxProcess(SandboxConfig()) as running, pytest.raises(urllib.error.HTTPError, match="409"):
        running.set_now(datetime(2026, 1, 1, tzinfo=UTC))


def test_the_client_reads_lists_and_bars(sandbox: SandboxProcess) -> None:
    client = GeckoTerminalSyncClient()
    client.base_url = f"{sandbox.url}/{HOST}"
    try:
        dexes = client.get_dexes_by_network("solana")
        assert {"heaven", "pumpswap"} <= set(dexes["id"])
        pools = client.get_top_pools_by_network_dex("solana", "heaven")
        assert len(pools) == 20
        assert set(pools["network_id"]) == {"solana"}
        assert set(pools["dex_id"]) == {"heaven"}
        for timeframe, step in (("1m", 60), ("15m", 900), ("12h", 43_200), ("1d", 86_400)):
            bars = client.get_ohlcv("solana", pools["address"][0], timeframe, limit=50)
            assert len(bars) == 50
            assert (bars["timestamp"] % step == 0).all()
            assert bars["timestamp"].is_monotonic_increasing
            assert (bars["high"] >= bars[["open", "close", "low"]].max(axis=1)).all()
        assert len(client.get_new_pools_by_network("eth")) == 20
    finally:
        client.close()


def test_the_async_client_reads_trades_and_many_pools(sandbox: SandboxProcess) -> None:
    addresses = _addresses(sandbox, "networks/solana/dexes/pumpswap/pools")

    async def read(ask: Callable[[GeckoTerminalAsyncClient], Awaitable[pd.DataFrame]]) -> pd.DataFrame:
        client = GeckoTerminalAsyncClient()
        client.base_url = f"{sandbox.url}/{HOST}"
        try:
            return await ask(client)
        finally:
            await client.close()

    trades = asyncio.run(read(lambda client: client.get_trades("solana", addresses[0], None)))
    assert len(trades) == 300
    assert set(trades["side"]) == {"buy", "sell"}
    assert trades["id"].is_unique
    pools = asyncio.run(read(lambda client: client.get_multiple_pools_by_network("solana", addresses)))
    assert pools["address"].tolist() == addresses

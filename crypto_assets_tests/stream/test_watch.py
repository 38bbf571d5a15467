"""What a stream answers to whoever watches it, and to whom it does not answer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from crypto_assets.settings import Settings
from crypto_assets.stream.address import StreamAddress, address_file, read_address, remove_address, write_address
from crypto_assets.stream.arbitrage import Arbitrage
from crypto_assets.stream.watch import WatchPortTaken
from crypto_assets.universe_stream import AnalyticsRules
from crypto_assets_tests.stream.standings import SECOND, START, snapshot, standing
from crypto_assets_tests.stream.watching import Stream, served

FREE = AnalyticsRules(min_arbitrage_pct=0, persistence_snapshots=1, fees_pct={}, default_fee_pct=0)


@pytest.fixture
def stream() -> Stream:
    return Stream()


@pytest.fixture
def client(stream: Stream) -> Iterator[httpx.Client]:
    with served(stream.server()) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        yield client


def metrics(client: httpx.Client) -> dict[str, float]:
    """Samples by name and labels."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    found = {}
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation
        assert family.name.startswith("crypto_assets_stream_")
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[
                f"{sample.name.removeprefix('crypto_assets_stream_')}{{{labels}}}" if labels else sample.name[21:]
            ] = sample.value
    return found


def test_it_is_well_while_snapshots_are_taken(stream: Stream, client: httpx.Client) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.text) == (503, "no snapshot has been taken yet\n")
    stream.counters.snapshots.last_at = START
    stream.now = START + 3 * SECOND
    assert (client.get("/healthz").status_code, client.get("/healthz").text) == (200, "ok\n")
    stream.now += 1
    answer = client.get("/healthz")
    assert (answer.status_code, answer.text) == (503, "the last snapshot was taken 3.0 s ago\n")


def test_a_wider_grid_has_more_patience(stream: Stream) -> None:
    stream.counters.snapshots.last_at = START
    with served(stream.server(snapshot_seconds=10)) as port:
        for later, status in ((30, 200), (31, 503)):
            stream.now = START + later * SECOND
            assert httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).status_code == status


def test_it_is_ready_or_says_why_not(stream: Stream, client: httpx.Client) -> None:
    stream.why_not = "waits for the lock"
    answer = client.get("/readyz")
    assert (answer.status_code, answer.text) == (503, "waits for the lock\n")
    stream.why_not = None
    assert client.get("/readyz").status_code == 200


def test_metrics_of_a_stream_that_has_just_begun_can_be_read(client: httpx.Client) -> None:
    told = metrics(client)
    assert told["snapshots_total"] == 0
    assert told["insert_seconds_count"] == 0
    assert "snapshot_lag_seconds" not in told  # nothing is not zero


def test_metrics_tell_what_was_counted_in_seconds_and_bytes(stream: Stream, client: httpx.Client) -> None:
    counters = stream.counters
    counters.feeds.quotes.update(mexc=100, gate=50)
    counters.feeds.ignored["gate"] = 7
    counters.feeds.malformed["gate"] = 2
    counters.feeds.lost["gate"] = 3
    counters.feeds.connected["gate"] = 4
    counters.snapshots.taken, counters.snapshots.skipped = 60, 2
    counters.snapshots.rows, counters.snapshots.stale_rows = 120, 5
    counters.snapshots.last_at = START
    counters.snapshots.late_ms.extend([1.0, 2.0, 3.0, 40.0])
    counters.writer.rows, counters.writer.batches, counters.writer.failures = 110, 55, 1
    counters.writer.insert_ms.extend(float(number) for number in range(1, 101))
    counters.writer.waiting_rows, counters.writer.spilled_rows, counters.writer.spill_bytes = 10, 20, 4096
    counters.writer.last_stored_at = START - 5 * SECOND
    counters.opportunities["mexc>gate"] = 1
    counters.alerts["spread"] = 9
    stream.snapshot = snapshot(
        0,
        [
            standing("mexc", "1", "2", age_ms=250),
            standing("gate", "1", "2", age_ms=12_000, is_stale=True),
            standing("gate", "1", "2", symbol="ETH/USDT", age_ms=500),
        ],
        [("okx", "BTC/USDT")],
    )
    stream.now = START + 2 * SECOND
    told = metrics(client)
    expected = {
        "quotes_total{venue=mexc}": 100, "quotes_total{venue=gate}": 50, "ignored_quotes_total{venue=gate}": 7,
        "malformed_messages_total{venue=gate}": 2, "connections_lost_total{venue=gate}": 3,
        "connections_made_total{venue=gate}": 4,
        "snapshots_total": 60, "skipped_seconds_total": 2, "snapshot_rows_total": 120, "stale_rows_total": 5,
        "snapshot_lag_seconds": 2, "snapshot_late_seconds{quantile=0.5}": 0.002, "snapshot_late_seconds{quantile=1}": 0.04,
        "stored_rows_total": 110, "stored_batches_total": 55, "write_failures_total": 1, "spilled_rows_total": 20,
        "insert_seconds{quantile=0.5}": 0.05, "insert_seconds{quantile=0.99}": 0.099, "insert_seconds_count": 55,
        "waiting_rows": 10, "spill_bytes": 4096, "stored_lag_seconds": 7,
        "opportunities_total{route=mexc>gate}": 1, "alerts_total{alert=spread}": 9,
        # The snapshot's ages and the two seconds since.
        "last_event_age_seconds{venue=mexc}": 2.25, "last_event_age_seconds{venue=gate}": 2.5,
        "oldest_quote_age_seconds{venue=gate}": 14,
        "markets{state=fresh,venue=gate}": 1, "markets{state=stale,venue=gate}": 1, "markets{state=absent,venue=gate}": 0,
        "markets{state=absent,venue=okx}": 1, "markets{state=fresh,venue=mexc}": 1,
    }  # fmt: skip
    assert {name: told.get(name) for name in expected} == expected


def test_standings_are_the_latest_snapshot_with_what_is_open(stream: Stream, client: httpx.Client) -> None:
    assert client.get("/standings").status_code == 503
    cheap, dear = standing("mexc", "99", "100", ask_quantity="0.50"), standing("gate", "101", "102", age_ms=900)
    stream.snapshot = snapshot(0, [cheap, dear], [("okx", "BTC/USDT")])
    stream.opportunities = Arbitrage(FREE).find(stream.snapshot)
    told = client.get("/standings").json()
    assert told["at"] == START
    assert told["absent"] == [["okx", "BTC/USDT"]]
    assert told["markets"][1] == {
        "venue": "gate", "symbol": "BTC/USDT", "bid": "101", "bid_quantity": "1", "ask": "102", "ask_quantity": "1",
        "spread_pct": pytest.approx(100 / 101), "age_ms": 900, "is_stale": False,
    }  # fmt: skip
    (gap,) = told["opportunities"]
    assert (gap["symbol"], gap["buy_venue"], gap["sell_venue"]) == ("BTC/USDT", "mexc", "gate")
    assert (gap["buy_price"], gap["sell_price"], gap["size_base"]) == ("100", "101", "0.50")
    assert gap["net_pct"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "[::1]", "localhost.evil"]
)
def test_a_page_that_points_its_own_name_here_is_refused(stream: Stream, client: httpx.Client, host: str) -> None:
    stream.snapshot = snapshot(0, [standing("mexc", "99", "100")])
    for path in ("/standings", "/metrics", "/healthz", "/readyz", "/nothing"):
        answer = client.get(path, headers={"Host": host})
        assert answer.status_code == 403
        assert "mexc" not in answer.text
    for name in ("127.0.0.1", "localhost", f"LocalHost:{client.base_url.port}"):
        answer = client.get("/standings", headers={"Host": name})
        assert answer.status_code == 200
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_nothing_can_be_changed_by_asking(client: httpx.Client) -> None:
    for path in ("/standings", "/metrics", "/healthz", "/readyz"):
        assert {client.request(verb, path).status_code for verb in ("POST", "PUT", "DELETE", "PATCH")} == {405}
    assert client.get("/").status_code == 404


def test_a_port_that_is_taken_is_named(stream: Stream) -> None:
    with served(stream.server()) as port:
        with pytest.raises(WatchPortTaken, match=f"127.0.0.1:{port}"), served(Stream().server(port)):
            pass
        assert httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200


def test_after_the_end_the_port_is_free_and_it_may_begin_again(stream: Stream) -> None:
    server = stream.server()
    with served(server) as port:
        pass
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False)
    with served(server) as port:
        assert httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200


# --- Where it answers.


def test_the_address_is_written_read_and_taken_back(tmp_path: Path) -> None:
    file = address_file(Settings(home=tmp_path, profile="sandbox"))
    assert file == tmp_path / "sandbox" / "stream.json"
    assert read_address(file) is None
    write_address(file, 9100)
    assert read_address(file) == StreamAddress(9100, os.getpid())
    assert list(file.parent.iterdir()) == [file]
    remove_address(file)
    assert not file.exists()
    remove_address(file)


def test_a_successors_address_is_left_alone_and_a_dead_ones_does_not_count(tmp_path: Path) -> None:
    file = tmp_path / "stream.json"
    parent = os.getppid()
    file.write_text(f'{{"port": 9100, "pid": {parent}}}')
    remove_address(file)
    assert read_address(file) == StreamAddress(9100, parent)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    file.write_text(f'{{"port": 9100, "pid": {ended.pid}}}')
    assert read_address(file) is None


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", '{"port": "x", "pid": 1}', '{"port": 0, "pid": 1}', '{"port": 70000, "pid": 1}',
     '{"port": 9100, "pid": -1}', '{"port": 9100, "pid": 99999999999999999999}', '{"port": 9100, "pid": 1, "more": 2}', "\xff"],
)  # fmt: skip
def test_a_file_that_is_no_address_is_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "stream.json"
    file.write_text(text, encoding="latin-1")
    assert read_address(file) is None

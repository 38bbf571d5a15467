"""`crypto-assets top` as people run it: a table of what the stream sees, one plain line where there is none."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from rich.console import Console

import crypto_assets.cli.top as module
from crypto_assets.cli.console import NOTICES, OUT
from crypto_assets.cli.main import main
from crypto_assets.cli.top import StreamNotRunning, StreamUrlRefused, ask, loopback_url, watch
from crypto_assets.settings import Settings
from crypto_assets.stream.address import address_file, write_address
from crypto_assets.stream.arbitrage import Arbitrage
from crypto_assets.stream.board import board_of
from crypto_assets.stream.snapshots import SECOND
from crypto_assets.universe_stream import AnalyticsRules
from crypto_assets_tests.stream.standings import START, snapshot, standing
from crypto_assets_tests.stream.watching import Stream, served

FREE = AnalyticsRules(min_arbitrage_pct=0, persistence_snapshots=1, fees_pct={}, default_fee_pct=0)

type Top = Callable[..., tuple[int, str, str]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, profile="sandbox")


@pytest.fixture
def top(settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Top:
    """Runs the command; gives exit code, answer and notices."""
    monkeypatch.setenv("CRYPTO_ASSETS_HOME", str(settings.home))
    for console in (OUT, NOTICES):
        monkeypatch.setattr(console, "_width", 160)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["crypto-assets", "--profile", settings.profile, "top", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        code = ended.value.code
        return (code if isinstance(code, int) else 0), told.out, told.err

    return run


@pytest.fixture
def stream() -> Stream:
    """Two markets of two venues, of which one is stale and one has nothing yet, and one opportunity."""
    stream = Stream()
    seen = [
        standing("mexc", "99.90", "100.00", ask_quantity="0.50", age_ms=250),
        standing("gate", "101.00", "101.10", bid_quantity="2.5", age_ms=900),
        standing("gate", "5", "5.1", symbol="ETH/USDT", age_ms=12_000, is_stale=True),
    ]
    stream.snapshot = snapshot(0, seen, [("mexc", "ETH/USDT")])
    stream.opportunities = Arbitrage(FREE).find(stream.snapshot)
    return stream


def test_the_profiles_stream_is_found_and_shown_once(stream: Stream, settings: Settings, top: Top) -> None:
    with served(stream.server()) as port:
        write_address(address_file(settings), port)
        code, out, _ = top("--once")
    assert code == 0
    assert "2026-02-02 02:40:00 UTC" in out
    assert "3 markets, 1 stale, 1 absent" in out
    lines = [re.sub(r"\s+", " ", line.replace("│", " ")).strip() for line in out.splitlines()]
    assert "BTC/USDT gate 101.00 2.5 101.10 1 0.0990 0.9" in lines
    assert "BTC/USDT mexc 99.90 1 100.00 0.50 0.1001 0.2" in lines
    assert "ETH/USDT gate 5 1 5.1 1 2.0000 12.0 stale" in lines
    assert "ETH/USDT mexc no quote yet" in lines
    assert "BTC/USDT mexc 100.00 gate 101.00 1.0000 0.50 0.50 0" in lines


def test_an_address_may_be_named(stream: Stream, top: Top) -> None:
    stream.opportunities = ()
    with served(stream.server()) as port:
        code, out, _ = top("--url", f"http://localhost:{port}/", "--once")
    assert code == 0
    assert re.search(r"│ none\s+│", out)


def test_into_a_pipe_it_prints_once(stream: Stream, top: Top) -> None:
    with served(stream.server()) as port:
        code, out, _ = top("--url", f"http://127.0.0.1:{port}")
    assert code == 0
    assert out.count("Quotes") == 1


def test_without_a_stream_it_says_so_and_fails(settings: Settings, top: Top) -> None:
    code, out, err = top("--once")
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        "Error: No stream is running in profile 'sandbox'", "→ `crypto-assets stream` starts one."
    ]  # fmt: skip
    with served(Stream().server()) as port:
        pass
    write_address(address_file(settings), port)  # of a process that lives, but listens no more
    code, out, err = top("--once")
    assert (code, out) == (1, "")
    assert err.startswith(f"Error: No stream answers at http://127.0.0.1:{port} (ConnectError)\n")
    assert "Traceback" not in err


def test_a_stream_that_has_nothing_yet_says_so(top: Top) -> None:
    with served(Stream().server()) as port:
        code, _, err = top("--url", f"http://127.0.0.1:{port}", "--once")
    assert code == 1
    assert "has nothing to show: no snapshot has been taken yet" in err


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.1:9100", "http://example.org:9100", "https://127.0.0.1:9100", "http://127.0.0.1", "127.0.0.1:9100",
     "http://127.0.0.1:9100@example.org:80", "http://127.0.0.1.example.org:80", "http://me:pw@127.0.0.1:80",
     "http://127.0.0.1:9100/elsewhere", "http://127.0.0.1:9100?a=b", "http://127.0.0.1:99999", "http://[::1]:9100",
     "http://2130706433:9100", "file:///etc/passwd", "x"],
)  # fmt: skip
def test_only_addresses_of_this_machine_are_asked(url: str) -> None:
    with pytest.raises(StreamUrlRefused, match=r"http://127\.0\.0\.1:PORT"):
        loopback_url(url)


def test_another_name_of_this_machine_is_its_number() -> None:
    assert loopback_url("http://localhost:9100") == "http://127.0.0.1:9100"
    assert loopback_url("http://127.0.0.1:9100/") == "http://127.0.0.1:9100"


@pytest.fixture
def stranger() -> Iterator[tuple[str, dict[str, bytes]]]:
    """A server that answers whatever a test puts there."""
    answer = {"body": b"", "location": b""}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302 if answer["location"] else 200)
            if answer["location"]:
                self.send_header("Location", answer["location"].decode())
            self.end_headers()
            self.wfile.write(answer["body"])

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", answer
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{}", b'{"at": "x", "markets": [], "absent": [], "opportunities": []}', b"\xff"]
)
def test_what_is_no_stream_is_refused(stranger: tuple[str, dict[str, bytes]], body: bytes) -> None:
    url, answer = stranger
    answer["body"] = body
    with httpx.Client(trust_env=False) as client, pytest.raises(StreamNotRunning, match="is no stream"):
        ask(client, url)


def test_it_follows_nobody_elsewhere_and_reads_no_endless_answer(
    stranger: tuple[str, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, answer = stranger
    with httpx.Client(trust_env=False) as client:
        answer["location"] = b"http://127.0.0.1:1/standings"
        with pytest.raises(StreamNotRunning, match="nothing to show"):
            ask(client, url)
        answer |= {"location": b"", "body": b" " * 2000}
        monkeypatch.setattr(module, "_LARGEST_ANSWER", 1000)
        with pytest.raises(StreamNotRunning, match="too long"):
            ask(client, url)


def test_what_a_stranger_says_stays_text(stranger: tuple[str, dict[str, bytes]], top: Top) -> None:
    url, answer = stranger
    row = '{"venue": "[red]mexc", "symbol": "A\\u001b[2J", "bid": "1", "bid_quantity": "1", "ask": "2", "ask_quantity": "1"'
    answer["body"] = (
        f'{{"at": 99999999999999999999999, "markets": [{row}, "spread_pct": 1, "age_ms": 1, "is_stale": false}}],'
        ' "absent": [], "opportunities": []}'
    ).encode()
    code, out, err = top("--url", url, "--once")
    assert (code, "\x1b" in out + err) == (1, False)  # no clock shows that
    answer["body"] = answer["body"].replace(b"99999999999999999999999", b"1790000040000000")
    code, out, _ = top("--url", url, "--once")
    assert code == 0
    assert "\x1b" not in out
    assert "[red]mexc" in out


def test_it_renews_itself_follows_a_successor_and_outlives_an_absence(
    stream: Stream, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each wait of the loop is a step of this play; the last one is Ctrl-C."""
    screen = Console(file=(settings.home / "screen").open("w+"), force_terminal=True, width=160, color_system=None)
    monkeypatch.setattr("crypto_assets.cli.console.OUT", screen)
    successor = Stream()
    successor.snapshot = snapshot(60, [standing("okx", "7", "8")])
    file = address_file(settings)
    with served(successor.server()) as new, served(stream.server()) as old:
        write_address(file, old)
        steps = iter(
            [
                lambda: setattr(stream, "snapshot", snapshot(1, [standing("mexc", "99.5", "100")])),
                file.unlink,
                lambda: write_address(file, new),
            ]
        )

        def next_step(_seconds: float) -> None:
            step = next(steps, None)
            if step is None:
                raise KeyboardInterrupt
            step()

        monkeypatch.setattr(module.time, "sleep", next_step)
        watch(settings, "", once=False)
    screen.file.seek(0)
    frames = screen.file.read().split("\x1b[H")
    shown = [
        next((name for name in ("99.90", "99.5", "okx") if name in frame), "") for frame in frames if "Quotes" in frame
    ]
    assert shown == ["99.90", "99.5", "99.5", "okx"]
    assert ["No stream is running" in frame for frame in frames if "Quotes" in frame] == [False, False, True, False]
    screen.file.close()


def test_the_table_says_how_old_it_is(stream: Stream) -> None:
    assert stream.snapshot is not None
    board = board_of(stream.snapshot, ())
    screen = Console(width=160, file=io.StringIO(), record=True)
    screen.print(module.render(board, START + 5 * SECOND // 2, "why"))
    told = screen.export_text()
    assert "UTC, 2.5 s ago: 3 markets" in told
    assert "\nwhy" in told

"""What the application answers, to whom, and what it refuses."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import make_url
from starlette.applications import Starlette

from crypto_assets.dashboard.answers import Answers, Place
from crypto_assets.dashboard.app import PAGE, Access, build_app
from crypto_assets.dashboard.candles import MOST_BARS
from crypto_assets.dashboard.cells import CELLS, read_map
from crypto_assets.dashboard.gate import HEADERS, Gate, host_name
from crypto_assets.dashboard.kept import FAILURE_SECONDS, Kept
from crypto_assets.dashboard.read_only import ReadOnly, Unanswered, asking
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.warehouse.connection import DatabaseUnreachable, Warehouse
from crypto_assets_tests.dashboard import world

MARKET = {"venue": "mexc", "symbol": "BTC/USDT", "timeframe": "1h"}
PATHS = (
    "/", "/page/app.js", "/metrics", "/healthz", "/api/about", "/api/overview", "/api/datasets", "/api/series", "/api/subjects",
    "/api/catalog", "/api/headlines", "/api/trends", "/api/coverage?dataset=market/ohlcv",
    "/api/candles?venue=mexc&symbol=BTC/USDT&timeframe=1h", "/api/forecast?forecast=gas_1h&domain=ethereum&series=fees",
)  # fmt: skip


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        yield client


def asked(app: Starlette, path: str, host: str = "localhost") -> httpx.Response:
    """What an application answers that nobody serves."""

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return await client.get(path, headers={"Host": host})

    return asyncio.run(ask())


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_is_whole_and_carries_the_headers(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.content
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "access-control-allow-origin" not in answer.headers
    head = client.head(path)
    assert (head.status_code, head.content) == (200, b"")


def test_the_page_holds_nothing_inline_and_nothing_from_elsewhere() -> None:
    sources = {path.name: path.read_text() for path in PAGE.iterdir()}
    assert "style=" not in sources["index.html"]
    assert sources["index.html"].count("<script") == sources["index.html"].count('src="/page/app.js"') == 1
    for name, text in sources.items():
        assert not any(
            one in text for one in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(")
        ), name
        assert set(re.findall(r"https?://[^\s\"'`)]+", text)) <= {"http://www.w3.org/2000/svg"}, name


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_only_reading_is_possible(client: httpx.Client, method: str) -> None:
    answer = client.request(method, "/api/overview")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    assert answer.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:3001", 200), ("localhost", 200), ("LOCALHOST:1", 200), ("[::1]:3001", 200),
        ("evil.example", 403), ("127.0.0.1.evil.example", 403), ("evil.example:3001", 403), ("", 403), ("192.168.0.7", 403),
        ("dashboard", 403), ("127.0.0.1:evil", 403), ("[::1]evil", 403), ("[", 403), ("[::1", 403),
    ],
)  # fmt: skip
def test_a_page_that_renames_this_machine_is_refused(client: httpx.Client, host: str, status: int) -> None:
    assert client.get("/api/about", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    ("host", "status"), [("10.0.0.5:3001", 200), ("dashboard:3001", 200), ("ours.example", 200), ("evil.example", 403)]
)
def test_who_listens_to_others_is_asked_by_address_bare_name_or_a_name_that_was_allowed(
    place: Place, host: str, status: int
) -> None:
    app = build_app(place, Access(host="0.0.0.0", names=["Ours.example"]))  # noqa: S104 - nothing listens here
    assert asked(app, "/api/about", host).status_code == status


@given(st.text(max_size=60))
@example("[")
@example("[::1")
@example("[::1]:80:80")
def test_no_host_with_a_dot_passes_unless_it_is_ours(told: str) -> None:
    gate = Gate(lambda *_: None, "127.0.0.1", ["ours.example"])  # type: ignore[arg-type, return-value]
    assert gate._knows(told) == (host_name(told) in {"127.0.0.1", "localhost", "::1", "ours.example"})


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("coverage", 400, "'dataset'"),
        ("coverage?dataset=market/nothing", 404, "market/nothing"),
        ("coverage?dataset=market/ohlcv&days=2", 400, "1, 7, 30, 90, 365, 3650"),
        ("coverage?dataset=a%00b", 400, "'dataset'"),
        ("candles?venue=mexc&symbol=BTC/USDT", 400, "'timeframe'"),
        ("candles?venue=mexc&symbol=' OR 1=1 --&timeframe=1h", 404, "No bars are stored"),
        ("candles?venue=mexc&symbol=BTC/USDT&timeframe=3h", 404, "No bars are stored"),
        (f"candles?venue=mexc&symbol=BTC/USDT&timeframe=1h&bars={MOST_BARS + 1}", 400, str(MOST_BARS)),
        ("candles?venue=mexc&symbol=BTC/USDT&timeframe=1h&bars=-5", 400, "whole number"),
        ("candles?venue=mexc&symbol=BTC/USDT&timeframe=1h&bars=%D9%A1%D9%A1", 400, "whole number"),
        ("candles?venue=mexc&symbol=BTC/USDT&timeframe=1h&until=9999999999999", 400, "whole number"),
        ("candles?venue=" + "m" * 201 + "&symbol=BTC/USDT&timeframe=1h", 400, "up to 200"),
        ("forecast?forecast=gas_1h&domain=ethereum&series=nothing", 404, "Nothing was forecast"),
        ("trends?days=365", 400, "1, 7, 30, 90"),
        ("catalog?q=" + "x" * 1001, 414, "too long"),
        ("nothing", 404, ""),
    ],
    ids=range(16),
)
def test_parameters_are_bounded_and_only_what_is_stored_is_asked_for(
    client: httpx.Client, path: str, status: int, said: str
) -> None:
    answer = client.get(f"/api/{path}")
    assert answer.status_code == status
    assert said in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "path", ["/page/../app.py", "/page/%2e%2e/app.py", "/page/..%2fapp.py", "/page//etc/passwd", "/page/"]
)
def test_no_path_leads_out_of_the_page(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_bars_and_absences_fill_the_window_and_values_stay_where_they_belong(
    client: httpx.Client, end: datetime
) -> None:
    told = client.get("/api/candles", params={**MARKET, "bars": 240}).json()
    first = end - world.HOURS * world.HOUR
    assert (told["start"], told["end"], told["seconds"]) == (ms(first), ms(end), 3600)
    assert [(one["start"], one["end"], one["bars"], one["state"]) for one in told["absent"]] == [
        (ms(first + start * world.HOUR), ms(first + until * world.HOUR), until - start, state)
        for (start, until), state in ((world.MISSING, "missing"), (world.QUIET, "venue_quiet"))
    ]
    assert told["absent"][0]["why"] == world.WHY
    assert len(told["opened_at"]) == 240 - 12 - 6
    assert {len(told[name]) for name in ("open", "high", "low", "close", "volume")} == {222}
    averages = told["indicators"]["sma_20"]
    assert averages[18] is None
    assert averages[19] == pytest.approx(sum(told["close"][:20]) / 20)


def test_an_older_window_is_served_and_one_before_the_first_bar_ends_with_it(
    client: httpx.Client, end: datetime
) -> None:
    first = end - world.HOURS * world.HOUR
    older = client.get("/api/candles", params={**MARKET, "bars": 10, "until": ms(first + 50.5 * world.HOUR)}).json()
    assert (older["opened_at"][0], older["opened_at"][-1]) == (ms(first + 41 * world.HOUR), ms(first + 50 * world.HOUR))
    before = client.get("/api/candles", params={**MARKET, "bars": 10, "until": 86_400_000}).json()
    assert before["opened_at"] == [ms(first)]
    assert [(one["bars"], one["state"]) for one in before["absent"]] == [(9, "not_collected")]


def test_an_absence_that_the_ledger_does_not_know_is_said_to_be_unnamed(
    filled: Warehouse, place: Place, end: datetime
) -> None:
    at = end - 3 * world.HOUR
    with filled.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM market.ohlcv WHERE venue = 'gate' AND opened_at = %s RETURNING 1", (at,)
        )  # and no more of it
        assert cursor.rowcount == 1
    told = Answers(place).candles(("gate", "BTC/USDT", "1h"), 10, None)
    assert [(one.start, one.bars, one.state) for one in told.absent] == [(ms(at), 1, "unnamed")]


def test_the_map_tells_the_worst_of_each_cell_and_why(client: httpx.Client, end: datetime) -> None:
    told = client.get("/api/coverage", params={"dataset": "market/ohlcv", "days": 30}).json()
    assert len(told["rows"]) == len(world.SERIES)
    assert {sum(run["cells"] for run in row["runs"]) for row in told["rows"]} == {CELLS}
    row = next(row for row in told["rows"] if (row["venue"], row["symbol"]) == ("mexc", "BTC/USDT"))
    holes = [run for run in row["runs"] if run["state"] in {"missing", "venue_quiet"}]
    first = end - world.HOURS * world.HOUR
    assert [(run["state"], run["holes"], run["start"], run["end"]) for run in holes] == [
        (state, 1, ms(first + start * world.HOUR), ms(first + until * world.HOUR))
        for (start, until), state in ((world.MISSING, "missing"), (world.QUIET, "venue_quiet"))
    ]
    assert holes[0]["why"] == world.WHY
    assert (row["runs"][0]["state"], row["runs"][-1]["state"]) == ("not_collected", "present")


def test_what_retention_took_out_is_not_told_as_present(warehouse: Warehouse, end: datetime) -> None:
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ops.collected_ranges (dataset, venue, symbol, timeframe, collected) VALUES"
            " ('market/trades', 'mexc', 'BTC/USDT', 'tick', tstzmultirange(tstzrange(%s, %s)))",
            (end - 72 * world.HOUR, end),
        )
        cursor.execute(
            "INSERT INTO ops.archived_partitions"
            " (table_name, starts_at, number, ends_at, partition_name, outcome, table_bytes)"
            " VALUES ('market.trades', %s, 1, %s, 'trades_x', 'dropped', 1)",
            (end - 96 * world.HOUR, end - 48 * world.HOUR),
        )
    [row] = read_map(warehouse, "market/trades", 7, end).rows
    found = [(run.state, run.cells) for run in row.runs]
    per_day = CELLS / 7
    assert [state for state, _ in found] == ["not_collected", "dropped", "present"]
    assert [cells for _, cells in found] == pytest.approx([4 * per_day, per_day, 2 * per_day], abs=1.6)


def test_trends_forecasts_headlines_and_overview_by_hand(client: httpx.Client) -> None:
    points = client.get("/api/trends", params={"days": 7}).json()["datasets"]["market/ohlcv"]
    assert [(one["scores"], one["worst"], one["overall"]) for one in points] == [
        (2, pytest.approx(worst), pytest.approx((worst + 1) / 2)) for worst in (0.99, 0.98, 0.9)
    ]
    said = client.get("/api/forecast", params={"forecast": "gas_1h", "domain": "ethereum", "series": "fees"}).json()
    assert len(said["decided_at"]) == 72
    assert said["decided_at"] == sorted(said["decided_at"])
    assert (said["truth"].count(None), said["truth"][-1], said["baseline_name"]) == (1, None, "drift")
    assert all(
        abs(one - came) == pytest.approx(0.01) for one, came in zip(said["yhat"][:-1], said["truth"][:-1], strict=True)
    )
    headlines = client.get("/api/headlines").json()
    assert [(one["title"], one["score"], one["assets"]) for one in headlines] == [
        (world.HEADLINE, -0.4, ["BTC"]), ("Ether rallies as fees fall", 0.6, ["ETH"])
    ]  # fmt: skip
    overview = client.get("/api/overview").json()
    assert overview["problems"] == {}
    bars = next(one for one in overview["assets"] if one["asset"] == "market/ohlcv")
    assert (bars["holes"], bars["series"], bars["worst"]) == ({"missing": 1, "venue_quiet": 1}, 2, pytest.approx(0.9))
    assert [one["breaker"] for one in overview["providers"]] == ["open", "closed"]


def test_the_catalog_has_every_column_with_its_meaning_and_unit(client: httpx.Client) -> None:
    tables = {one["table"]: one for one in client.get("/api/catalog").json()}
    assert {"market.ohlcv", "quality.coverage", "ops.market_polls", "models.registry"} <= tables.keys()
    columns = {(name, one["name"]): one for name, table in tables.items() for one in table["columns"]}
    assert len(columns) > 500
    assert all(one["meaning"] for one in columns.values())
    rsi = columns["features.technical_indicators", "rsi_14"]
    assert (rsi["unit"], rsi["is_key"]) == ("0..100", False)
    assert rsi["meaning"].startswith("Relative strength index")
    assert not rsi["meaning"].endswith("]")


def test_sessions_cannot_write_whatever_they_say(place: Place) -> None:
    with pytest.raises(Unanswered, match="read-only transaction"), asking(place.warehouse.own) as cursor:
        cursor.execute("DELETE FROM market.ohlcv")
    with pytest.raises(Unanswered, match="permission denied"), asking(place.warehouse.warehouse) as cursor:
        cursor.execute("SET TRANSACTION READ WRITE; DELETE FROM market.ohlcv")
    with asking(place.warehouse.warehouse) as cursor:
        cursor.execute("SELECT current_user, current_setting('statement_timeout')")
        assert cursor.fetchone() == ("crypto_assets_reader", "5s")


def test_a_statement_that_takes_too_long_is_ended(filled: Warehouse) -> None:
    hasty = ReadOnly(filled.url, statement_seconds=0.05)
    with pytest.raises(Unanswered, match="did not answer in time"), asking(hasty.warehouse) as cursor:
        cursor.execute("SELECT pg_sleep(5)")


def test_healthy_is_who_answers_is_migrated_and_fresh_where_somebody_asks_for_it(
    client: httpx.Client, empty_warehouse: Warehouse, folder: Path
) -> None:
    told = client.get("/healthz").json()
    assert (told["is_well"], told["pending_migrations"], told["problems"]) == (True, 0, [])
    assert 0 <= told["newest_age_seconds"] < 600
    assert client.get("/healthz?max_age_seconds=86400").status_code == 200
    assert client.get("/healthz?max_age_seconds=x").status_code == 400

    told = asked(build_app(world.place_of(empty_warehouse, folder), Access()), "/healthz")
    assert told.status_code == 503
    assert "crypto-assets migrate" in told.text or "lacks" in told.text

    away = SecretStr("postgresql://canary:canary@127.0.0.1:1/nothing")
    lost = Place("sandbox", ReadOnly(away), None, world.ROOT / "sql", folder / "stream.json", "http://127.0.0.1:3000")
    silent = build_app(lost, Access())
    answers = {path: asked(silent, path) for path in ("/healthz", "/api/series", "/api/overview", "/metrics", "/")}
    assert [answer.status_code for answer in answers.values()] == [503, 503, 200, 200, 200]
    assert set(answers["/api/overview"].json()["problems"]) >= {"freshness", "collection", "storage"}
    assert 'crypto_assets_group_up{group="storage"} 0.0' in answers["/metrics"].text
    assert not any("canary" in answer.text for answer in answers.values())


def test_a_fresh_database_is_well_and_says_that_it_is_empty(warehouse: Warehouse, folder: Path) -> None:
    fresh = build_app(world.place_of(warehouse, folder), Access())
    assert asked(fresh, "/healthz").json()["newest_age_seconds"] is None
    told = asked(fresh, "/healthz?max_age_seconds=60")
    assert (told.status_code, "there is no data yet" in told.text) == (503, True)
    for path in ("series", "datasets", "subjects", "headlines"):
        assert asked(fresh, f"/api/{path}").json() == []
    assert asked(fresh, "/api/trends").json()["datasets"] == {}


def test_an_answer_is_made_once_and_a_failure_asked_again_soon() -> None:
    now, asked = [0.0], []

    def make() -> int:
        asked.append(now[0])
        if now[0] < 5:
            raise DatabaseUnreachable("away", way_out="wait")
        return len(asked)

    kept = Kept(make, 60, clock=lambda: now[0])
    for _ in range(3):
        with pytest.raises(CryptoAssetsError, match=r"away\. wait"):
            kept.get()
    now[0] = FAILURE_SECONDS + 3
    assert [kept.get(), kept.get()] == [2, 2]
    now[0] += 59
    assert kept.get() == 2
    now[0] += 2
    assert kept.get() == 3


def test_the_reader_role_is_done_without_where_it_cannot_be_taken(filled: Warehouse) -> None:
    with filled.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE ROLE stranger LOGIN PASSWORD 'x'")
    told = make_url(filled.url.get_secret_value()).set(username="stranger", password="x")  # noqa: S106 - of a role of this test
    try:
        with asking(ReadOnly(SecretStr(told.render_as_string(hide_password=False))).warehouse) as cursor:
            cursor.execute("SELECT current_user, current_setting('default_transaction_read_only')")
            assert cursor.fetchone() == ("stranger", "on")
    finally:
        with filled.connect() as connection, connection.cursor() as cursor:
            cursor.execute("DROP ROLE stranger")

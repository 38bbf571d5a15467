"""The report and its pictures: what they show of ledger and scores."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pandas as pd

from crypto_assets.datasets.market.ohlcv.table import DATASET, ohlcv
from crypto_assets.quality.coverage import TICK, SeriesKey, count_gaps, observe, write_changes
from crypto_assets.quality.gaps import Evidence, Gap, State
from crypto_assets.quality.heat_map import COLORS, coverage_map, shown_window
from crypto_assets.quality.report import CheckResult, QualityReport, age_text, blocks, gather, to_html, to_json
from crypto_assets.schema.plots import heat_map_svg
from crypto_assets.universe import Scoring
from crypto_assets.warehouse.collected import mark_collected
from crypto_assets.warehouse.connection import Warehouse

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
KEY = SeriesKey(DATASET, "kraken", "BTC/USD", "1h")


def _scores(overall: float = 0.97) -> pd.DataFrame:
    row = {
        "dataset": DATASET, "venue": "kraken", "symbol": "<b>BTC/USD", "timeframe": "1h", "scored_at": pd.Timestamp(BEGIN),
        "window_start": pd.Timestamp(BEGIN), "window_end": pd.Timestamp(BEGIN + DAY), "lag_seconds": 7200.0,
        "accuracy": 1.0, "completeness": overall, "timeliness": float("nan"), "overall": overall,
    }  # fmt: skip
    return pd.DataFrame([row])


def _report(overall: float = 0.97) -> QualityReport:
    checks = [CheckResult(DATASET, "gaps_are_explained", True, "WARN", "0 of 24 rows", BEGIN)]
    trend = {(DATASET, "kraken", "<b>BTC/USD", "1h"): [1.0, 0.99, overall]}
    gaps = pd.DataFrame([{"dataset": DATASET, "venue": "kraken", "state": "venue_outage", "gaps": 2, "bars": 5.0}])
    return QualityReport(checks, _scores(overall), BEGIN, trend, gaps, {DATASET: "<svg>map</svg>"}, Scoring())


def test_verdicts_follow_the_universes_bounds_and_a_failing_score_is_an_error() -> None:
    report = _report()
    assert [report.verdict(score) for score in (1.0, 0.97, 0.5, float("nan"))] == [
        "holds",
        "warns",
        "fails",
        "unmeasured",
    ]
    assert not report.has_errors
    assert _report(0.94).has_errors


def test_the_page_holds_map_gaps_trend_and_scores_and_escapes_what_it_is_told() -> None:
    page = to_html(_report())
    for part in (
        "<svg>map</svg>",
        "venue outage",
        "overall score of the last runs",
        "0.9700",
        "2 h",
        "&lt;b&gt;BTC/USD",
    ):
        assert part in page
    assert "<b>BTC" not in page


def test_json_holds_verdict_trend_and_gaps() -> None:
    told = json.loads(to_json(_report()))
    assert (told["scores"][0]["verdict"], told["scores"][0]["trend"]) == ("warns", [1.0, 0.99, 0.97])
    assert told["gaps"] == [{"dataset": DATASET, "venue": "kraken", "state": "venue_outage", "gaps": 2, "bars": 5.0}]


def test_datasets_are_means_over_their_series() -> None:
    [row] = _report().by("dataset").to_dict("records")
    assert (row["series"], row["overall"], row["lag_seconds"]) == (1, 0.97, 7200)


def test_ages_and_trends_are_short() -> None:
    assert [age_text(seconds) for seconds in (30.0, 300.0, 10_000.0, 500_000.0, None)] == [
        "30 s",
        "5 min",
        "3 h",
        "6 d",
        "–",
    ]
    assert blocks([1.0, 0.99, 1.0]) == "█▁█"
    assert blocks([0.5]) == "█"
    assert blocks([]) == ""


def test_the_map_shows_each_state_where_it_lies(warehouse: Warehouse) -> None:
    assert shown_window(warehouse, DATASET) is None
    with warehouse.connect() as connection:
        mark_collected(connection, *KEY.values(), BEGIN, BEGIN + 10 * DAY)
        observe(connection, ohlcv, KEY, (BEGIN, BEGIN + 10 * DAY), [(BEGIN + 5 * DAY, BEGIN + 6 * DAY)])
    assert shown_window(warehouse, DATASET) == (BEGIN, BEGIN + 10 * DAY)
    svg = coverage_map(warehouse, DATASET, (BEGIN, BEGIN + 20 * DAY))
    # 720 pixels for 20 days: the gap of the sixth day stands at 210 + 5 * 36 and is 36 wide
    assert f'<rect x="390.00" y="26" width="36.00" height="14" fill="{COLORS["missing"]}">' in svg
    assert f'<rect x="570.00" y="26" width="360.00" height="14" fill="{COLORS["not_collected"]}">' in svg
    assert "kraken BTC/USD 1h: missing" in svg
    assert count_gaps(warehouse)["gaps"].tolist() == [1]


def test_a_map_escapes_its_labels_and_is_empty_without_rows() -> None:
    assert "&lt;x&gt;" in heat_map_svg([("<x>", ["a"])], {"a": "#fff"}, title="t", ends=("0", "1"))
    assert heat_map_svg([], {}, title="t", ends=("0", "1")) == ""


POOL = "Czfq3xZZDmsdGdUyrNLtRhGc47cXcZtLG4crryfu44zE"
PRICES = SeriesKey("dex/pool_ohlcv", "solana", POOL, "12h")


def test_a_map_gives_long_labels_the_room_they_need() -> None:
    label = f"solana {POOL} 12h"
    svg = heat_map_svg([(label, ["a", "a"])], {"a": "#fff"}, title="t", ends=("0", "1"))
    # 55 letters of 6.4 pixels and 12 pixels of margin; the cells follow, and the picture is as much wider.
    assert f'<text x="358" y="37" text-anchor="end">{label}</text>' in svg
    assert '<rect x="364.00" y="26" width="720.00"' in svg
    assert 'viewBox="0 0 1092 ' in svg


def test_maps_of_pools_show_each_pools_own_gaps_by_the_networks_name(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        for symbol in (POOL, "0xabc"):
            mark_collected(connection, PRICES.dataset, "solana", symbol, "12h", BEGIN, BEGIN + 10 * DAY)
        write_changes(connection, PRICES, [], [_gap(BEGIN, BEGIN + DAY)])
    svg = coverage_map(warehouse, PRICES.dataset, (BEGIN, BEGIN + 10 * DAY))
    assert f"solana {POOL} 12h: missing" in svg
    assert "solana 0xabc 12h: present" in svg
    assert "solana 0xabc 12h: missing" not in svg
    assert count_gaps(warehouse)["bars"].tolist() == [2]


def test_gaps_of_events_have_no_number_of_bars(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        write_changes(connection, replace(PRICES, timeframe=TICK), [], [_gap(BEGIN, BEGIN + DAY)])
    counted = count_gaps(warehouse)
    assert counted["bars"].tolist() == [0]
    page = to_html(replace(_report(), gaps=counted))
    assert '<td>solana</td><td>missing</td>\n<td class="n">1</td><td class="n">0</td>' in page


def test_the_page_lets_a_pools_address_break() -> None:
    assert f'solana <span class="id">{POOL}</span> 12h' in to_html(
        replace(
            _report(), scores=_scores().assign(dataset=PRICES.dataset, venue="solana", symbol=POOL, timeframe="12h")
        )
    )


def test_a_venue_that_holds_hides_no_failure_of_another(warehouse: Warehouse, tmp_path: Path) -> None:
    key = dg.AssetKey(["market", "ohlcv"])

    @dg.asset(
        key=key,
        partitions_def=dg.StaticPartitionsDefinition(["2026-03-01|gate", "2026-03-01|mexc"]),
        check_specs=[dg.AssetCheckSpec("is_whole", asset=key), dg.AssetCheckSpec("never_ran", asset=key)],
    )
    def bars(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        yield dg.MaterializeResult()
        is_mexc = context.partition_key.endswith("mexc")
        yield dg.AssetCheckResult(passed=is_mexc, check_name="is_whole", description=context.partition_key)

    definitions = dg.Definitions([bars])
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        for partition in ("2026-03-01|gate", "2026-03-01|mexc"):
            dg.materialize([bars], instance=instance, partition_key=partition, raise_on_error=False)
        found = gather(definitions, instance, warehouse, Scoring())
        assert [(one.check, one.passed, one.told) for one in found.checks] == [
            ("is_whole", False, "2026-03-01|gate"),
            ("never_ran", None, "never run"),
        ]
        assert found.has_errors


def _gap(start: datetime, end: datetime) -> Gap:
    return Gap(start, end, State.MISSING, Evidence(why="test"), start)

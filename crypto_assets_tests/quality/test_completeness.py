"""Rules over ledger, quarantine and scores, on bars whose numbers can be told by hand."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import numpy as np
import pytest

from crypto_assets.datasets.market.instruments.checks import RULES as INSTRUMENTS
from crypto_assets.datasets.market.ohlcv.checks import RULES as BARS
from crypto_assets.datasets.market.ohlcv.table import DATASET, ohlcv
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import Rule, result_of
from crypto_assets.quality.completeness import (
    few_anomalies,
    gaps_are_explained,
    robust_z,
    rows_are_accepted,
    score_near_its_history,
    severity_by_share,
)
from crypto_assets.quality.coverage import SeriesKey, observe
from crypto_assets.quality.findings import Dimension, Finding
from crypto_assets.quality.scores import latest_scores, record_findings, score_history
from crypto_assets.universe import Scoring, Universe, UniverseError, parse_universe
from crypto_assets.warehouse.collected import mark_collected
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.quarantine import Refused, quarantine
from crypto_assets.warehouse.write import upsert

HOUR = timedelta(hours=1)
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
WINDOW = VenueWindow("kraken", BEGIN, BEGIN + timedelta(days=31))
KEY = SeriesKey(DATASET, "kraken", "BTC/USD", "1h")
UNIVERSE = parse_universe("history_from: 2024-01-01\nvenues: {kraken: {markets: [BTC/USD]}}", "u.yaml")


def hour(number: int) -> datetime:
    return BEGIN + number * HOUR


def store(warehouse: Warehouse, closes: dict[int, float], upto: int) -> None:
    hours = np.array(sorted(closes))
    opened = np.datetime64("2024-01-01T00:00", "us") + hours * np.timedelta64(1, "h")
    prices = {name: np.array([closes[n] for n in hours.tolist()]) for name in ("open", "high", "low", "close")}
    names = {"venue": "kraken", "symbol": "BTC/USD", "timeframe": "1h", "source": "test", "volume_base": 1.0}
    with warehouse.connect() as connection:
        upsert(connection, ohlcv, {**names, "opened_at": opened, "known_at": opened + np.timedelta64(1, "h"), **prices})
        mark_collected(connection, *KEY.values(), hour(0), hour(upto))


def explained(warehouse: Warehouse) -> Finding:
    [finding] = gaps_are_explained(ohlcv, DATASET)(warehouse, UNIVERSE, WINDOW)
    return finding


def test_an_absent_bar_without_a_row_in_the_ledger_fails(warehouse: Warehouse) -> None:
    store(warehouse, dict.fromkeys(range(8), 1.0), 10)
    assert (explained(warehouse).checked, explained(warehouse).failed) == (10, 2)
    assert explained(warehouse).example == "2 not in the ledger"


@pytest.mark.parametrize(
    ("state", "failed", "told"),
    [("missing", 2, "2 missing"), ("unrecoverable", 2, "2 unrecoverable"), ("venue_outage", 0, "2 venue outage"),
     ("venue_quiet", 0, "2 venue quiet"), ("not_listed", 0, "2 not listed")],
)  # fmt: skip
def test_what_is_rightly_absent_passes_with_a_note_and_the_rest_fails(
    warehouse: Warehouse, state: str, failed: int, told: str
) -> None:
    store(warehouse, dict.fromkeys(range(8), 1.0), 10)
    with warehouse.connect() as connection, connection.cursor() as cursor:
        observe(connection, ohlcv, KEY, (hour(0), hour(10)), [(hour(8), hour(10))])
        cursor.execute("UPDATE quality.coverage SET state = %s, first_seen = '2024-01-02'", (state,))
    finding = explained(warehouse)
    assert (finding.failed, finding.example or finding.note) == (failed, told)


def test_a_gap_too_young_to_be_asked_for_again_is_noted_and_passes(warehouse: Warehouse) -> None:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    with warehouse.connect() as connection:
        mark_collected(connection, *KEY.values(), now - HOUR, now)
        observe(connection, ohlcv, KEY, (now - HOUR, now), [(now - HOUR, now)])
    window = VenueWindow("kraken", now - timedelta(days=2), now + HOUR)
    [finding] = gaps_are_explained(ohlcv, DATASET)(warehouse, UNIVERSE, window)
    assert (finding.failed, finding.note) == (0, "1 too young to ask for again")


def test_what_was_found_just_now_fails_without_alarm(warehouse: Warehouse) -> None:
    store(warehouse, dict.fromkeys(range(8), 1.0), 10)
    with warehouse.connect() as connection:
        observe(connection, ohlcv, KEY, (hour(0), hour(10)), [(hour(8), hour(10))])
    finding = explained(warehouse)
    assert (finding.failed, finding.waiting, finding.example) == (2, 2, "2 missing since now")
    assert severity_by_share([finding], UNIVERSE) is dg.AssetCheckSeverity.WARN


def test_severity_follows_the_share_that_is_missing() -> None:
    few, many = Finding("k", "B", "1h", 1000, 10), Finding("k", "B", "1h", 1000, 11)
    assert severity_by_share([few], UNIVERSE) is dg.AssetCheckSeverity.WARN
    assert severity_by_share([few, many], UNIVERSE) is dg.AssetCheckSeverity.ERROR


def test_refused_rows_count_against_the_stored_ones(warehouse: Warehouse) -> None:
    store(warehouse, dict.fromkeys(range(9), 1.0), 9)
    with warehouse.connect() as connection:
        quarantine(connection, items=[Refused("price is not positive", [1, 2])], **vars(KEY))
    [finding] = rows_are_accepted(ohlcv, DATASET)(warehouse, UNIVERSE, WINDOW)
    assert (finding.checked, finding.failed, finding.example) == (10, 1, "price is not positive")


def test_robust_z_is_the_distance_from_the_median_in_robust_deviations() -> None:
    # median 3, absolute deviations 2 1 0 1 97 with median 1: (100 - 3) / 1.4826
    assert robust_z(np.array([1.0, 2.0, 3.0, 4.0, 100.0]))[-1] == pytest.approx(97 / 1.4826)
    assert robust_z(np.ones(5)).tolist() == [0] * 5


def test_a_return_far_beyond_its_history_stands_out(warehouse: Warehouse) -> None:
    closes = {n: 100.0 + (n % 2) * 0.1 + (n % 3) * 0.05 for n in range(200)}
    store(warehouse, {**closes, 150: 300.0}, 200)
    [finding] = few_anomalies(ohlcv)(warehouse, UNIVERSE, WINDOW)
    assert (finding.checked, finding.failed, finding.example) == (200, 2, "2024-01-07 06:00")  # there and back
    store(warehouse, {**{n: 100.0 + (n % 2) * 0.1 + (n % 3) * 0.05 for n in range(200, 600)}}, 600)
    [rare] = few_anomalies(ohlcv)(warehouse, UNIVERSE, WINDOW)
    assert (rare.checked, rare.failed, rare.note) == (600, 0, "2 of 600 bars stand out, first 2024-01-07 06:00")


def _score(warehouse: Warehouse, run: str, failed: int) -> None:
    record_findings(
        warehouse,
        dataset=DATASET,
        run_id=run,
        check="gaps",
        dimension=Dimension.COMPLETENESS,
        window=(WINDOW.start, WINDOW.end),
        findings=[Finding(*KEY.values()[1:], 1000, failed, lag_seconds=60.0)],
        weights=UNIVERSE.scores.weights,
    )


def test_a_score_that_falls_out_of_its_history_is_told(warehouse: Warehouse) -> None:
    look = score_near_its_history(DATASET)
    for number in range(7):
        _score(warehouse, f"run {number}", number % 2)
    [steady] = look(warehouse, UNIVERSE, WINDOW)
    assert steady.failed == 0
    _score(warehouse, "bad", 50)
    [fallen] = look(warehouse, UNIVERSE, WINDOW)
    assert (fallen.failed, fallen.example) == (1, "0.9500 after a median of 1.0000")
    history = score_history(warehouse, DATASET)["overall"].tolist()
    assert history == pytest.approx([1, 0.999, 1, 0.999, 1, 0.999, 1, 0.95])
    [latest] = latest_scores(warehouse).to_dict("records")
    assert (latest["completeness"], latest["lag_seconds"], latest["overall"]) == (0.95, 60, 0.95)


def test_weights_come_from_the_universe(warehouse: Warehouse) -> None:
    for dimension, failed in ((Dimension.COMPLETENESS, 1), (Dimension.ACCURACY, 0)):
        record_findings(
            warehouse,
            dataset=DATASET,
            run_id="run",
            check=dimension.value,
            dimension=dimension,
            window=(WINDOW.start, WINDOW.end),
            findings=[Finding(*KEY.values()[1:], 2, failed)],
            weights=Scoring(accuracy=0.9, completeness=0.1, timeliness=0).weights,
        )
    [latest] = latest_scores(warehouse).to_dict("records")
    assert latest["overall"] == pytest.approx(0.9 * 1 + 0.1 * 0.5)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("scores: {accuracy: 0, completeness: 0, timeliness: 0}", "must weigh more than 0"),
        ("scores: {warn_below: 0.9, fail_below: 0.95}", "fail_below lies above warn_below"),
        ("gaps: {max_attempts: 0}", "gaps.max_attempts"),
        ("gaps: {patience: 3}", "gaps.patience"),
    ],
)
def test_bounds_that_cannot_be_are_refused_by_name(section: str, said: str) -> None:
    with pytest.raises(UniverseError, match=said.replace(".", r"\.")):
        parse_universe(f"history_from: 2024-01-01\nvenues: {{kraken: {{markets: [BTC/USD]}}}}\n{section}", "u.yaml")


def test_the_shipped_bounds_are_the_defaults() -> None:
    assert isinstance(UNIVERSE, Universe)
    assert UNIVERSE.gaps.wait(3) == timedelta(hours=16)


@pytest.mark.parametrize("rule", [*BARS, *INSTRUMENTS], ids=lambda rule: rule.name)
def test_no_rule_stumbles_over_a_window_without_rows(shared_warehouse: Warehouse, rule: Rule) -> None:
    now = datetime.now(UTC)
    for window in (WINDOW, VenueWindow("kraken", now - timedelta(days=1), now + timedelta(days=1))):
        findings = rule.look(shared_warehouse, UNIVERSE, window)
        result = result_of(rule, findings, UNIVERSE)
        # Without a list of markets, the one of the universe is not listed; nothing else is wrong with nothing.
        assert result.passed == (rule.name != "universe_markets_listed")

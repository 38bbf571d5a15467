"""Keys planted as canaries, and looked for in everything that runs of the real jobs leave behind, reports included."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from psycopg2 import sql

from crypto_assets.clients.transport import RetryPolicy
from crypto_assets.definitions import build_definitions
from crypto_assets.partitions import day_key, month_key
from crypto_assets.quality.report import gather, to_html, to_json
from crypto_assets.resources import Providers, keys_of
from crypto_assets.sandbox.config import SandboxConfig
from crypto_assets.sandbox.faults import Fault
from crypto_assets.sandbox.process import SandboxProcess
from crypto_assets.settings import PROVIDER_KEYS, Settings
from crypto_assets.universe import parse_universe
from crypto_assets.warehouse.connection import Warehouse

UNIVERSE = """
history_from: 2024-01-01
venues: {kraken: {markets: [BTC/USD]}}
macro: {series: {UNRATE: {frequency: monthly, least: 0, most: 50, max_age_days: 100}}, gold: null}
onchain: {assets: {ETH: {coinmetrics: eth}}}
news: {feeds: {coindesk: "https://www.coindesk.com/arc/outboundfeeds/rss/"}}
"""
CANARIES = {
    "fred_api_key": "canaryfred0123456789abcdef012345",
    "etherscan_api_key": "CANARYSCAN0123456789ABCDEF01234567",
    "cryptopanic_api_key": "canarypanic0123456789abcdef0123456789abcd",
    "ethereum_rpc_url": "https://eth.drpc.org/v3/canarynode0123456789",
    "solana_rpc_url": "https://api.mainnet-beta.solana.com/canarysol0123456789",
}
SIGNS = [value.rpartition("/")[2].lower() for value in CANARIES.values()]
HASTE = RetryPolicy(attempts=2, first_pause_seconds=0.01, max_pause_seconds=0.02, breaker_failures=99)
JOBS = ("collect_macro", "collect_onchain", "collect_fees", "collect_news")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess(SandboxConfig()) as process:
        yield process


def test_no_key_is_left_anywhere_whether_runs_go_well_or_not(
    sandbox: SandboxProcess, warehouse: Warehouse, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert CANARIES.keys() == {*PROVIDER_KEYS}
    caplog.set_level(logging.DEBUG)
    (tmp_path / "universe.yaml").write_text(UNIVERSE)
    settings = Settings(
        home=tmp_path, profile="test", universe=tmp_path / "universe.yaml", warehouse_url=warehouse.url,
        sandbox_url=sandbox.url, **CANARIES,  # type: ignore[arg-type]
    )  # fmt: skip
    definitions = build_definitions(settings)
    left: dict[str, str] = {}
    with dg.DagsterInstance.ephemeral() as instance:
        for name in JOBS:
            left[name] = _run(name, definitions, instance, settings, warehouse, well=True)
        sandbox.set_faults([Fault(kind="unavailable")])
        for name in ("collect_macro", "collect_fees"):
            left[f"{name}, refused"] = _run(name, definitions, instance, settings, warehouse, well=False)
        report = gather(definitions, instance, warehouse, parse_universe(UNIVERSE, "u.yaml").scores)
    left |= {"page": to_html(report), "json": to_json(report), "log": caplog.text, "tables": _tables(warehouse)}
    left["out"], left["err"] = capfd.readouterr()
    assert "UNRATE" in left["tables"]
    assert "UNRATE" in left["page"]
    asked = " ".join(sandbox.requests()).lower()
    assert SIGNS[3] in asked  # it was really sent
    found = [(place, sign) for place, said in left.items() for sign in SIGNS if sign in said.lower()]
    assert found == []


def _run(
    name: str, definitions: dg.Definitions, instance: dg.DagsterInstance, settings: Settings, warehouse: Warehouse,
    *, well: bool,
) -> str:  # fmt: skip
    """Execute a job over the open partition; every event of it as text."""
    job, now = definitions.resolve_job_def(name), datetime.now(UTC)
    by_month = isinstance(job.partitions_def, dg.MonthlyPartitionsDefinition)
    providers = Providers(keys_of(settings), sandbox_url=settings.sandbox_url, policy=HASTE, warehouse=warehouse)
    result = job.execute_in_process(
        instance=instance, raise_on_error=False, partition_key=month_key(now) if by_month else day_key(now),
        resources={**(definitions.resources or {}), "providers": providers},
    )  # fmt: skip
    assert result.success or not well, name
    return "".join(repr(one) for one in instance.all_logs(result.run_id))


def _tables(warehouse: Warehouse) -> str:
    """Every row of every table, as text."""
    told = []
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT schemaname, tablename FROM pg_tables"
            " WHERE schemaname IN ('macro', 'onchain', 'sentiment', 'quality', 'ops', 'audit')"
        )
        for schema, table in cursor.fetchall():
            cursor.execute(sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(schema, table)))
            told += [row[0] for row in cursor.fetchall()]
    return "\n".join(told)

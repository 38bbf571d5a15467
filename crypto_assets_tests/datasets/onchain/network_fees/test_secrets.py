"""Keys in addresses and queries: planted, and looked for in everything that a run leaves behind, well or ill."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from pydantic import SecretStr

from crypto_assets.datasets.onchain.network_fees.asset import build_asset
from crypto_assets.latest.telling import LatestValues
from crypto_assets.partitions import day_key, grids_of
from crypto_assets.resources import Keys, Providers, UniverseFile
from crypto_assets.sandbox.faults import Fault
from crypto_assets_tests.datasets.onchain.network_fees.world import ONCE, FeeWorld

NODE, OTHER, SCAN = "canaryNODE0123456789ab", "canaryOTHER0123456789ab", "CANARYSCAN0123456789ABCDEF"
KEYS = Keys(
    ethereum_rpc=SecretStr(f"https://eth.drpc.org/v3/{NODE}"),
    solana_rpc=SecretStr(f"https://{OTHER}.quick.example.com/{OTHER}"),
    etherscan=SecretStr(SCAN),
)
UNIVERSE = "history_from: 2024-01-01\nvenues: {kraken: {markets: [BTC/USD]}}"
FAULTS = {
    "well": [],
    "html": [Fault(kind="html_200")],
    "dropped": [Fault(kind="dropped")],
    "nodes": [Fault(kind="null_rows", venue="evm_rpc"), Fault(kind="throttled", venue="solana_rpc")],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_key_is_left_in_logs_events_errors_or_tables(
    world: FeeWorld, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], fault: str
) -> None:
    caplog.set_level(logging.DEBUG)
    now = datetime.now(UTC)
    world.sandbox.set_now(now)
    world.sandbox.set_faults(FAULTS[fault])
    file = tmp_path / "universe.yaml"
    file.write_text(UNIVERSE)
    providers = Providers(
        KEYS, sandbox_url=world.sandbox.url, policy=replace(ONCE, attempts=2), warehouse=world.warehouse
    )
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [build_asset(grids_of(datetime(2024, 1, 1, tzinfo=UTC).date(), ["kraken"], ["solana"]))],
            instance=instance,
            partition_key=day_key(now),
            raise_on_error=False,
            resources={
                "warehouse": world.warehouse,
                "universe_file": UniverseFile(file, world.warehouse),
                "providers": providers,
                "latest": LatestValues(),
            },
        )
        events = [repr(one) for one in instance.all_logs(result.run_id)]
    assert result.success == (fault in {"well", "nodes"})
    asked = json.dumps(dict(world.sandbox.requests()))
    assert NODE in asked  # it was really sent
    out, err = capfd.readouterr()
    left = {"events": "".join(events), "log": caplog.text, "out": out, "err": err, "tables": _tables(world)}
    if fault != "well":
        assert "own node of ethereum" in left["events"]
    assert [place for place, said in left.items() for key in (NODE, OTHER, SCAN) if key.lower() in said.lower()] == []


def _tables(world: FeeWorld) -> str:
    """Every row of every table that a run may write to, as text."""
    names = (
        "onchain.network_fees",
        "quality.quarantine",
        "ops.provider_limits",
        "ops.collected_ranges",
        "audit.revisions",
    )
    statements = " UNION ALL ".join(f"SELECT row_to_json(t)::text FROM {name} AS t" for name in names)  # noqa: S608
    with world.warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statements)
        return "\n".join(row[0] for row in cursor.fetchall())

"""The universe's section network_fees: addresses that are taken, and those that are not."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from crypto_assets.universe import UniverseError, parse_universe
from crypto_assets.universe_sources import FeeChain, FeeRules
from crypto_assets_tests.playing import shipped_universe


def test_the_shipped_section_is_the_default() -> None:
    assert shipped_universe().network_fees == FeeRules()


@pytest.mark.parametrize(
    "address",
    [
        "https://ethereum-rpc.publicnode.com",
        "http://8.8.8.8:8545/rpc",
        "https://1rpc.io/eth",
        "https://a.b-c.example.org:443",
    ],
)
def test_public_addresses_are_taken(address: str) -> None:
    assert FeeChain(nodes=(address + "/",)).nodes == (address,)


@pytest.mark.parametrize(
    "address",
    [
        "", "https://", "node.example.com", "ftp://node.example.com", "file:///etc/passwd", "javascript://node.example.com",
        "http://localhost:8545", "http://LOCALHOST", "http://node.localhost", "http://printer.local", "http://a.internal",
        "http://127.0.0.1:8545", "http://127.1", "http://0x7f.1", "http://2130706433", "http://0", "http://0177.0.0.1",
        "http://10.1.2.3", "http://192.168.1.1", "http://172.16.0.1", "http://169.254.169.254", "http://100.64.0.1",
        "http://[::1]", "http://[::ffff:127.0.0.1]", "http://[fd00::1]", "http://224.0.0.1",
        "https://user@node.example.com", "https://user:word@node.example.com", "https://@node.example.com",
        "https://node.example.com/?key=canary", "https://node.example.com/#x", "https://node.example.com:99999",
        "https://node.example.com\\@evil.example.org", "https://node.example.com/\n", "https://node .example.com",
        "https://ex%61mple.com", "https://exämple.com", "https://example", "https://node.example.com/" + "a" * 300,
    ],
)  # fmt: skip
def test_addresses_that_lead_elsewhere_or_hold_a_secret_are_refused(address: str) -> None:
    with pytest.raises(ValidationError):
        FeeChain(nodes=(address,))


def test_a_refusal_names_the_host_and_never_a_key() -> None:
    text = """
history_from: 2024-01-01
venues: {kraken: {markets: [BTC/USD]}}
network_fees: {chains: {ethereum: {nodes: ["https://node.example.com/v3?key=canary0123456789"]}}}
"""
    with pytest.raises(UniverseError, match=r"node\.example\.com holds a user or a query") as found:
        parse_universe(text, "u.yaml")
    assert "canary" not in str(found.value)


@pytest.mark.parametrize(
    "section",
    [
        {"chains": {}}, {"chains": {"dogecoin": {"nodes": ["https://a.example.com"]}}}, {"chains": {"bitcoin": {"nodes": []}}},
        {"blocks_a_sample": 0}, {"blocks_a_sample": 1025}, {"backfill_minutes": 250}, {"backfill_minutes": 5},
        {"solana_accounts": ["0x12"]}, {"solana_accounts": ["A" * 32] * 129}, {"max_sat_vb": 0}, {"unknown": 1},
    ],
)  # fmt: skip
def test_values_out_of_bounds_are_refused(section: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FeeRules.model_validate(section)

"""Etherscan's statistics: module=stats, for the format that serves its host (etherscan.py).

Format: Etherscan API v2. All failures come with status 200 and {"status": "0", "message": "NOTOK", "result": "<words>"}.
"""

from __future__ import annotations

from crypto_assets.sandbox.seeded_chains import chain_number, day_of_ms
from crypto_assets.sandbox.venues.exchange import Asked, Reply

_WEI = 10**18
_REWARDS, _BURNT, _WITHDRAWN = 2_940_327, 4_610_942, 7_618_584  # ether, about those of 2025


def stats_answer(asked: Asked) -> Reply | None:
    """The answer to module=stats; None for an action that is not served."""
    now = asked.clock()
    if not asked.query.get("apikey"):
        return Reply({"status": "0", "message": "NOTOK", "result": "Missing/Invalid API Key"}, now)
    supply = round(chain_number(asked.seed, "ETH", "supply", day_of_ms(now)))
    if asked.query.get("action") == "ethsupply":
        return Reply({"status": "1", "message": "OK", "result": _wei(supply)}, now)
    if asked.query.get("action") != "ethsupply2":
        return None
    told = {
        "EthSupply": _wei(supply + _BURNT - _REWARDS),
        "Eth2Staking": _wei(_REWARDS),
        "BurntFees": _wei(_BURNT),
        "WithdrawnTotal": _wei(_WITHDRAWN),
    }
    return Reply({"status": "1", "message": "OK", "result": told}, now)


def _wei(ether: int) -> str:
    return str(ether * _WEI)

"""Etherscan's API v2: GET /v2/api with module and action.

Format: its documents. Every answer has status 200; what failed says "NOTOK", with the reason as the result. Of the module
gastracker the action gasoracle is served, of stats what etherscan_stats.py answers.
"""

from __future__ import annotations

from crypto_assets.sandbox.providers.ethereum_chain import base_fees, gas_used_ratios, newest_block, tips
from crypto_assets.sandbox.providers.etherscan_stats import stats_answer
from crypto_assets.sandbox.venues.exchange import Asked, Reply

_RATIOS = 5  # the last blocks whose gas is told
_PERCENTILES = [35.0, 60.0, 90.0]
_GWEI = 10**9


class Etherscan:
    """The provider."""

    venue = "etherscan"
    hosts = ("api.etherscan.io",)
    used_weight_header = None

    def answer(self, asked: Asked) -> Reply | None:
        """The gas oracle, and statistics."""
        if asked.path != "/v2/api":
            return None
        query, now = asked.query, asked.clock()
        if not query.get("apikey"):
            return Reply(_notok("Missing/Invalid API Key"), now)
        if not query.get("chainid"):
            return Reply(_notok("Missing or unsupported chainid parameter (required for v2 api)"), now)
        if query.get("module") == "gastracker" and query.get("action") == "gasoracle":
            return Reply(_oracle(asked.seed, now), now)
        stats = stats_answer(asked) if query.get("module") == "stats" else None
        return stats or Reply(_notok("Error! Missing Or invalid Action name"), now)

    def error(self, status: int) -> object:
        """NOTOK."""
        return _notok("Max calls per sec rate limit reached (3/sec)" if status == 429 else "Server too busy")

    def bad_parameter(self, name: str, now_ms: int) -> Reply:
        """NOTOK."""
        return Reply(_notok(f"Error! Invalid {name}"), now_ms)


def _oracle(seed: int, now_ms: int) -> object:
    head = newest_block(seed, now_ms // 1000)
    fees = base_fees(seed, head - _RATIOS + 1, _RATIOS + 1)
    paid = [fees[-1] + tip for tip in tips(seed, head, 1, _PERCENTILES)[0]]
    names = ("SafeGasPrice", "ProposeGasPrice", "FastGasPrice")
    result = {"LastBlock": str(head)} | {name: _gwei(one) for name, one in zip(names, paid, strict=True)}
    result["suggestBaseFee"] = _gwei(fees[-1])
    result["gasUsedRatio"] = ",".join(f"{one:.15g}" for one in gas_used_ratios(fees))
    return {"status": "1", "message": "OK", "result": result}


def _gwei(wei: int) -> str:
    return f"{wei // _GWEI}.{wei % _GWEI:09d}".rstrip("0").rstrip(".")


def _notok(why: str) -> object:
    return {"status": "0", "message": "NOTOK", "result": why}

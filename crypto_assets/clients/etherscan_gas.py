"""Etherscan's gas oracle: what gas costs on Ethereum now, for when no node answers; needs a free key.

What belongs here: the call, its errors, which come with status 200, and reading the answer. What does not: other modules of
Etherscan (etherscan.py).

Format: Etherscan API v2, module gastracker, action gasoracle: decimal text in gwei. Gas prices include the base fee of the next
block, which is told as suggestBaseFee. How safe, proposed and fast prices are chosen Etherscan does not say.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from pydantic import SecretStr

from crypto_assets.clients.evm_rpc import ratio_of
from crypto_assets.clients.failures import Malformed, ProviderError, Rejected, Throttled, Unavailable
from crypto_assets.clients.http import Blocked, HttpProvider, Params
from crypto_assets.clients.json_rpc import object_of
from crypto_assets.clients.pool_values import UNREADABLE, amount_text, whole

URL = "https://api.etherscan.io/v2/api"
PROVIDER = "etherscan"
_SHOWN = 160
_MOST_GWEI = Decimal(10**15)
_MOST_RATIOS = 1024


@dataclass(frozen=True)
class GasOracle:
    """What Etherscan suggests, in gwei per gas.

    Args:
        last_block: The newest block that it knows.
        next_base_fee: Of the block that comes next.
        tips: What remains of the safe, the proposed and the fast gas price beyond that base fee; ascending.
        gas_used_ratios: Gas used over the gas limit of the last blocks, 0..1.
    """

    last_block: int
    next_base_fee: float
    tips: tuple[float, float, float]
    gas_used_ratios: Sequence[float]


class EtherscanGas:
    """Asks the gas oracle; asks nothing until it is asked to. For one thread.

    Args:
        http: Knows the key as a secret, since it travels in addresses.
        key: Of etherscan.io.
    """

    def __init__(self, http: HttpProvider, key: SecretStr) -> None:
        self._http = http
        self._key = key

    def close(self) -> None:
        """Drop the connection."""
        self._http.close()

    def oracle(self) -> GasOracle:
        """What gas costs now.

        Raises:
            ProviderError: what went wrong.
        """
        asked: Params = {
            "chainid": 1,
            "module": "gastracker",
            "action": "gasoracle",
            "apikey": self._key.get_secret_value(),
        }
        return self._http.get_json(URL, asked, self._read)

    def _read(self, came: object) -> GasOracle:
        if isinstance(came, dict) and came.get("status") == "0" and isinstance(came.get("result"), str):
            raise failure_of(self._http.mask(came["result"]))
        try:
            return parse_oracle(came)
        except UNREADABLE as error:
            problem = self._http.mask(str(error))[:_SHOWN]
        payload = self._http.mask(json.dumps(came, default=repr)[:10_000])
        raise Malformed(
            f"{PROVIDER}: expected gas prices ({problem}), came {payload[:_SHOWN]}",
            way_out="The answer is kept in quality.quarantine.",
            payload=payload,
        )


def parse_oracle(came: object) -> GasOracle:
    """The oracle's answer. Pure.

    Raises:
        TypeError, ValueError, KeyError: it is none, or its prices do not ascend from the base fee.
    """
    answer = object_of(came, "the answer")
    if answer.get("status") != "1":
        raise ValueError("its status is not 1")
    result = object_of(answer["result"], "the result")
    base = _gwei(result["suggestBaseFee"], "suggestBaseFee")
    prices = [_gwei(result[name], name) for name in ("SafeGasPrice", "ProposeGasPrice", "FastGasPrice")]
    if [base, *prices] != sorted([base, *prices]):
        raise ValueError("gas prices do not ascend from the base fee")
    ratios = result["gasUsedRatio"]
    if not isinstance(ratios, str) or ratios.count(",") >= _MOST_RATIOS:
        raise ValueError("gasUsedRatio is no text of numbers")
    safe, proposed, fast = (float(price - base) for price in prices)  # exact: both are decimals
    shares = [ratio_of(float(amount_text(one.strip(), "a gasUsedRatio"))) for one in ratios.split(",")]
    return GasOracle(whole(result["LastBlock"], "LastBlock"), float(base), (safe, proposed, fast), tuple(shares))


def failure_of(words: str) -> ProviderError:
    """The failure that Etherscan's words stand for: all of them come with status 200. Pure."""
    lower = words.lower()
    told = f"{PROVIDER}: {''.join(filter(str.isprintable, ' '.join(words.split())[:_SHOWN]))}"
    if "rate limit" in lower:
        return Throttled(told, way_out="Lower etherscan_requests_per_minute in the universe.")
    if "api key" in lower:
        return Blocked(told, way_out="Correct CRYPTO_ASSETS_ETHERSCAN_API_KEY.")
    if "timeout" in lower or "busy" in lower or "try again" in lower:
        return Unavailable(told, way_out="It is asked again.")
    return Rejected(told, way_out="`crypto-assets doctor` tries every provider.")


def _gwei(value: object, name: str) -> Decimal:
    number = Decimal(amount_text(value, name))
    if number > _MOST_GWEI:
        raise ValueError(f"{name} is absurdly large")
    return number

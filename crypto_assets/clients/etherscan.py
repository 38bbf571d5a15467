"""Etherscan's statistics of Ethereum: how much ether there is now; needs a free key.

What belongs here: the address, telling its failures, which come with status 200. What does not: fees (etherscan_gas.py) and
storing.

Format: Etherscan API v2, module stats, action ethsupply2: amounts in wei as text. Ether there is now = what was issued before
staking + rewards of staking - burnt fees; the total that was withdrawn is part of the rewards and deposits already.
"""

from __future__ import annotations

from pydantic import SecretStr

from crypto_assets.clients.chain_rows import number_of, refuse_answer
from crypto_assets.clients.failures import Rejected, Throttled
from crypto_assets.clients.http import Blocked, HttpProvider

URL = "https://api.etherscan.io/v2/api"
WEI_PER_ETHER = 1e18


class Etherscan:
    """Asks for Ethereum's supply. For one thread.

    Args:
        http: Knows the key as a secret, since it travels in addresses.
        key: Of etherscan.io.
    """

    name = "etherscan"

    def __init__(self, http: HttpProvider, key: SecretStr) -> None:
        self._http = http
        self._key = key

    def close(self) -> None:
        """Drop the connection."""
        self._http.close()

    def ether_supply(self) -> float:
        """How much ether there is at this moment.

        Raises:
            ProviderError: what went wrong; Blocked for a wrong key, Throttled for too many requests.
        """
        asked: dict[str, str | int | float] = {
            "chainid": 1, "module": "stats", "action": "ethsupply2", "apikey": self._key.get_secret_value(),
        }  # fmt: skip
        return self._http.get_json(URL, asked, self._supply)

    def _supply(self, came: object) -> float:
        result = came.get("result") if isinstance(came, dict) else None
        if isinstance(came, dict) and came.get("status") == "0" and isinstance(result, str):
            raise _said(self._http.mask(result))
        if not isinstance(result, dict) or not isinstance(came, dict) or came.get("status") != "1":
            refuse_answer("etherscan", "the supply of ether", came)
        try:
            issued, rewards, burnt = (
                number_of(result[name], name) for name in ("EthSupply", "Eth2Staking", "BurntFees")
            )
        except (KeyError, TypeError, ValueError):
            refuse_answer("etherscan", "amounts of wei", came)
        if issued is None or rewards is None or burnt is None or issued + rewards <= burnt:
            refuse_answer("etherscan", "amounts of wei", came)
        return (issued + rewards - burnt) / WEI_PER_ETHER


def _said(words: str) -> Rejected | Throttled:
    """The failure that its words stand for: all come with status 200."""
    told, lower = f"etherscan: {' '.join(words.split())[:200]}", words.lower()
    if "rate limit" in lower:
        return Throttled(told, way_out="Lower its requests a minute in the universe.")
    if "api key" in lower:
        return Blocked(told, way_out="Correct CRYPTO_ASSETS_ETHERSCAN_API_KEY.")
    return Rejected(told, way_out="`crypto-assets doctor` tries every provider.")

"""Which pool stands for a token: the rule, and its ties."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.clients.pool_rows import PoolRow
from crypto_assets.datasets.dex.watchlist.resolve import best_pool
from crypto_assets_tests.datasets.dex.pools.rows import ALIVE, of_tokens, pool

BASE = of_tokens(pool("base"), "token", "usd")
QUOTE = of_tokens(pool("quote", reserve_usd=1e9), "usd", "token")


def _best(*pools: PoolRow) -> str | None:
    found = {best.address if (best := best_pool("token", order)) else None for order in itertools.permutations(pools)}
    [one] = found  # whatever the order
    return one


def test_pools_in_which_it_is_the_base_token_come_first() -> None:
    assert _best(BASE, QUOTE) == "base"
    assert _best(QUOTE) == "quote"
    assert _best(ALIVE) is None
    assert _best() is None


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"reserve_usd": 10.0}, {"reserve_usd": 1e6, "volume_usd": {"24h": 0.0}}),  # traded beats untouched
        ({"reserve_usd": 10.0}, {"reserve_usd": 1e6, "volume_usd": {}}),
        ({"reserve_usd": 11.0, "volume_usd": {"24h": 1.0}}, {"reserve_usd": 10.0, "volume_usd": {"24h": 9.0}}),
        ({"reserve_usd": 1.0}, {"reserve_usd": None}),
        ({"volume_usd": {"24h": 2.0}}, {"volume_usd": {"24h": 1.0}}),  # equal reserves: the larger volume
        ({"reserve_usd": 9.0, "volume_usd": {}}, {"reserve_usd": 8.0, "volume_usd": {}}),
    ],
)
def test_traded_then_reserve_then_volume(better: dict[str, object], worse: dict[str, object]) -> None:
    assert _best(replace(BASE, address="z", **better), replace(BASE, address="a", **worse)) == "z"  # type: ignore[arg-type]


def test_at_last_the_smaller_address() -> None:
    assert _best(*(replace(BASE, address=address) for address in ("c", "a", "b"))) == "a"


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.booleans(), st.integers(0, 2), st.integers(0, 2)),
        min_size=1,
        max_size=6,
    )
)
def test_the_choice_does_not_depend_on_the_order(rows: list[tuple[str, bool, int, int]]) -> None:
    by_address = {row[0]: row for row in rows}
    pools = [
        replace(
            BASE if is_base else QUOTE, address=address, reserve_usd=float(reserve), volume_usd={"24h": float(volume)}
        )
        for address, is_base, reserve, volume in by_address.values()
    ]
    assert best_pool("token", pools) == best_pool("token", pools[::-1])

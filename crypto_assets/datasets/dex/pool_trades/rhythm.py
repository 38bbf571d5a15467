"""How often a pool's trades are asked for, from what is known of its pace. Pure.

What belongs here: from trades a second to seconds between polls, within the budget. What does not: whose turn it is
(crypto_assets.collection) and asking (asset.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from crypto_assets.universe import DexRules

SHORTEST_SECONDS = 10.0  # a pool with hundreds of trades a minute is asked as often as the budget lets others live
# What of the budget is planned: the rest is for runs that are still starting, for snapshots, and for pools that wake up.
PLANNED_SHARE = 0.85


def interval_for(per_second: float, rules: DexRules, longest: float) -> float:
    """Seconds in which `wanted_trades` come together, within bounds.

    So the rotation's urgency, time in intervals, is the number of unseen trades.
    """
    wanted = rules.wanted_trades / per_second if per_second > 0 else longest
    return min(longest, max(SHORTEST_SECONDS, wanted))


def longest_interval(rules: DexRules, pools: int) -> float:
    """Seconds within which even the quietest pool is asked: at most twice what one round over all of them takes.

    Half the budget of trades is then left for the busy ones, however many they are.
    """
    return _bounded(2 * pools * poll_seconds(rules), rules)


def quiet_interval(rules: DexRules, paces: Sequence[float]) -> float:
    """Seconds from one poll of a quiet pool to the next: as few as the busy ones leave budget for.

    The shortest interval L at which all pools together, each asked every min(L, own interval), fit into the budget; at most
    `longest_interval`, at which the quiet ones have half of it.

    Args:
        paces: Trades a second of every pool that shares the budget; 0 where none are known.
    """
    longest = longest_interval(rules, len(paces))
    shortest = _bounded(0, rules)
    own = sorted(interval_for(pace, rules, longest) for pace in paces)
    budget = PLANNED_SHARE / poll_seconds(rules)  # polls a second
    for number, interval in enumerate(own):
        # With the pools before this one asked at their own pace, all others together have what these leave.
        wanted = (len(own) - number) / budget if budget > 0 else longest
        if wanted <= interval:
            return min(longest, max(shortest, wanted))
        budget -= 1 / interval
    return longest if own else shortest


def poll_seconds(rules: DexRules) -> float:
    """Seconds of the clock that one poll of trades takes of the budget: bars have their share of it."""
    return 60 / rules.requests_per_minute / (1 - rules.ohlcv_share)


def _bounded(seconds: float, rules: DexRules) -> float:
    return min(rules.max_interval_minutes * 60, max(rules.interval_minutes * 60, seconds))

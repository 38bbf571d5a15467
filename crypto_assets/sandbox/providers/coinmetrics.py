"""Coin Metrics' community API v4: timeseries/asset-metrics and catalog-v2/asset-metrics.

Format: Coin Metrics' API documents. Values are text; a day that is not finished has null where other metrics of the request are
known, and no row where none is. A hundred rows a page where nothing is said, 10,000 at most; the next page's token and
address come along. Refusals: 400 bad_parameter, 403 forbidden, in {"error": {"type", "message"}}.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from crypto_assets.sandbox.seeded_chains import assets, chain_number, day_of_ms, hours_after, metrics_of, start_ms
from crypto_assets.sandbox.venues.exchange import Asked, Reply, format_number

BASE = "https://community-api.coinmetrics.io/v4"
METRICS: Mapping[str, str] = {
    "AdrActCnt": "active_addresses", "TxCnt": "transactions", "FeeTotNtv": "fees_native", "HashRate": "hash_rate",
    "SplyCur": "supply", "FlowInExNtv": "exchange_inflow", "FlowOutExNtv": "exchange_outflow",
    "CapMrktCurUSD": "market_cap_usd",
}  # fmt: skip
PAID = frozenset({"FeeTotUSD", "FlowInExInclNtv"})  # known, and not for everybody
FIRST = date(2015, 8, 1)
PAGE, PAGE_MOST = 100, 10_000
PRICED_AFTER_HOURS = 0.5  # what follows from prices alone is there soon after midnight
_TYPES = {400: "bad_parameter", 401: "unauthorized", 403: "forbidden", 429: "too_many_requests"}


class CoinMetrics:
    """The provider."""

    venue = "coinmetrics"
    hosts = ("community-api.coinmetrics.io",)
    used_weight_header = None

    def answer(self, asked: Asked) -> Reply | None:
        """The catalogue, or days of metrics."""
        if asked.path == "/v4/catalog-v2/asset-metrics":
            return _catalogue(asked)
        if asked.path == "/v4/timeseries/asset-metrics":
            return _days(asked)
        return None

    def error(self, status: int) -> object:
        """{"error": {"type", "message"}}."""
        return {"error": {"type": _TYPES.get(status, "internal_error"), "message": f"Error {status}."}}

    def bad_parameter(self, name: str, now_ms: int) -> Reply:
        """400."""
        return _refused(400, f"Bad parameter '{name}'.", now_ms)


def _catalogue(asked: Asked) -> Reply:
    now, wanted = asked.clock(), _names(asked, "assets")
    unknown = [name for name in wanted if name not in _by_id()]
    if unknown:
        return _unsupported("assets", unknown[0], now)
    last = f"{day_of_ms(now) - timedelta(days=1)}T00:00:00.000000000Z"
    days = {"frequency": "1d", "min_time": f"{FIRST}T00:00:00.000000000Z", "max_time": last, "community": True}
    rows: list[object] = [
        {"asset": name, "metrics": [{"metric": one, "frequencies": [days]} for one in sorted(_offered(name))]}
        for name in sorted(wanted or _by_id())
    ]
    return _page(asked, rows, "catalog-v2/asset-metrics")


def _days(asked: Asked) -> Reply:
    now, wanted, metrics = asked.clock(), _names(asked, "assets"), _names(asked, "metrics")
    refusal = _refusal(asked, wanted, metrics, now)
    if refusal is not None:
        return refusal
    try:
        first = max(FIRST, _day(asked.query.get("start_time"), FIRST))
        last = min(day_of_ms(now), _day(asked.query.get("end_time"), day_of_ms(now)))
    except ValueError:
        return _refused(400, "Bad parameter 'start_time' or 'end_time'. Expected ISO 8601.", now)
    span = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    rows = [row for name in sorted(wanted) for day in span for row in _row(asked.seed, name, metrics, day, now)]
    return _page(asked, rows, "timeseries/asset-metrics")


def _refusal(asked: Asked, wanted: Sequence[str], metrics: Sequence[str], now: int) -> Reply | None:
    """What is wrong with a request for days; None where it is sound."""
    if not wanted or not metrics:
        return _refused(400, "Missing parameter 'assets' or 'metrics'.", now)
    if asked.query.get("frequency", "1d") != "1d":
        return _unsupported("frequency", asked.query["frequency"], now)
    for name in wanted:
        if name not in _by_id():
            return _unsupported("assets", name, now)
        paid = [metric for metric in metrics if metric in PAID]
        if paid:
            what = f"Requested metric '{paid[0]}' with frequency '1d' for asset '{name}'"
            return _refused(403, f"{what} is not available with supplied credentials.", now)
        unknown = [metric for metric in metrics if metric not in METRICS]
        if unknown or not _offered(name) & set(metrics):
            return _unsupported("metrics", (unknown or metrics)[0], now)
    return None


def _row(seed: int, name: str, metrics: Sequence[str], day: date, now: int) -> list[object]:
    offered = [one for one in metrics if one in _offered(name)]
    values = {one: number_at(seed, name, one, day, now) for one in offered}
    if all(one is None for one in values.values()):
        return []
    return [{"asset": name, "time": f"{day}T00:00:00.000000000Z", **values}]


def number_at(seed: int, name: str, metric: str, day: date, now: int) -> str | None:
    """What is known of a day at a moment, as text."""
    late = PRICED_AFTER_HOURS if metric == "CapMrktCurUSD" else hours_after(seed, f"coinmetrics {name}", day, 2, 3)
    if now < start_ms(day) + int((24 + late) * 3_600_000):
        return None
    return format_number(chain_number(seed, _by_id()[name], METRICS[metric], day))


def _page(asked: Asked, rows: list[object], path: str) -> Reply:
    size = asked.number("page_size", PAGE)
    if not 1 <= size <= PAGE_MOST:
        return _refused(400, "Bad parameter 'page_size'.", asked.clock())
    try:
        at = int(base64.urlsafe_b64decode(asked.query.get("next_page_token", "") or "MA=="))
    except (ValueError, binascii.Error):
        return _refused(400, "Bad parameter 'next_page_token'.", asked.clock())
    shown = rows[max(0, at) : max(0, at) + size]
    answer: dict[str, object] = {"data": shown}
    if at + size < len(rows):
        token = base64.urlsafe_b64encode(str(at + size).encode()).decode()
        answer |= {"next_page_token": token, "next_page_url": f"{BASE}/{path}?next_page_token={token}"}
    return Reply(answer, asked.clock(), rows=shown)


def _by_id() -> dict[str, str]:
    return {asset.lower(): asset for asset in assets()}


def _offered(name: str) -> set[str]:
    known = metrics_of(_by_id()[name])
    return {theirs for theirs, ours in METRICS.items() if ours in known}


def _names(asked: Asked, parameter: str) -> list[str]:
    return [one for one in asked.query.get(parameter, "").split(",") if one]


def _day(text: str | None, default: date) -> date:
    return default if text is None else date.fromisoformat(text[:10])


def _unsupported(parameter: str, value: str, now: int) -> Reply:
    return _refused(400, f"Bad parameter '{parameter}'. Value '{value}' is not supported.", now)


def _refused(status: int, message: str, now: int) -> Reply:
    return Reply({"error": {"type": _TYPES[status], "message": message}}, now, status=status)

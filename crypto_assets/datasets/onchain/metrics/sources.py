"""Asking each source for the days that are open for it, the best one first.

What belongs here: which question answers which metric, and what a failure means for it. What does not: how a provider is asked
(clients) and whose value counts (search.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import date

from crypto_assets.clients.blockchain_info import BlockchainInfo
from crypto_assets.clients.chain_rows import DayValue, DayValues
from crypto_assets.clients.coinmetrics import Catalogue, CoinMetrics
from crypto_assets.clients.defillama import DefiLlama
from crypto_assets.clients.etherscan import Etherscan
from crypto_assets.clients.exchange_bars import RefusedRow
from crypto_assets.clients.failures import Malformed, ProviderError
from crypto_assets.datasets.onchain.metrics.declaration import (
    BLOCKCHAIN_INFO,
    COINMETRICS,
    DEFILLAMA,
    ETHERSCAN,
    METRICS,
    OWN_BARS,
    SUPPLY,
    TVL,
    VOLATILITY,
    Metric,
)
from crypto_assets.datasets.onchain.metrics.search import DAY, Search, Series
from crypto_assets.datasets.onchain.metrics.volatility import volatilities
from crypto_assets.resources import Providers
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse

_BITCOIN, _ETHER = "BTC", "ETH"


def ask_sources(search: Search, providers: Providers, universe: Universe, warehouse: Warehouse) -> None:
    """Ask all sources in their order, each for what those before it did not tell."""
    pace = {str(name): rate for name, rate in search.rules.requests_per_minute.items()}
    transport = providers.transport(COINMETRICS, pace[COINMETRICS])
    with closing(CoinMetrics(transport, sandbox_url=providers.sandbox_url)) as coinmetrics:
        ask_coinmetrics(search, coinmetrics)
    with closing(BlockchainInfo(providers.http(BLOCKCHAIN_INFO, pace[BLOCKCHAIN_INFO]))) as blockchain_info:
        ask_blockchain_info(search, blockchain_info)
    key = providers.keys.etherscan
    if key is None:
        search.hints[_ETHER, SUPPLY.name] = "etherscan needs CRYPTO_ASSETS_ETHERSCAN_API_KEY"
    else:
        with closing(Etherscan(providers.http(ETHERSCAN, pace[ETHERSCAN], secrets=[key]), key)) as etherscan:
            ask_etherscan(search, etherscan)
    with closing(DefiLlama(providers.http(DEFILLAMA, pace[DEFILLAMA]))) as defillama:
        ask_defillama(search, defillama)
    ask_own_bars(search, universe, warehouse)


def ask_coinmetrics(search: Search, client: CoinMetrics) -> None:
    """One question for what there is, then one an asset."""
    wanted = {
        asset: (one.coinmetrics, open_metrics)
        for asset, one in search.rules.assets.items()
        if one.coinmetrics and (open_metrics := _open(search, asset, COINMETRICS))
    }
    if not wanted:
        return
    try:
        catalogue: Catalogue = client.catalogue([name for name, _ in wanted.values()])
    except ProviderError as error:
        _note(search, COINMETRICS, "catalogue", error)
        for asset, (_, metrics) in wanted.items():
            _fail(search, [(asset, one.name) for one in metrics], COINMETRICS, error)
        return
    for asset, (name, metrics) in wanted.items():
        has = catalogue.get(name, frozenset())
        _ask_asset(search, client, asset, name, [one for one in metrics if has.issuperset(one.coinmetrics)])


def _ask_asset(search: Search, client: CoinMetrics, asset: str, name: str, metrics: list[Metric]) -> None:
    if not metrics:
        return
    days = [day for one in metrics for day in search.open_days((asset, one.name), COINMETRICS)]
    codes = sorted({code for one in metrics for code in one.coinmetrics})
    try:
        answer = client.daily(name, codes, min(days), max(days), search.today)
    except ProviderError as error:
        _note(search, COINMETRICS, asset, error)
        _fail(search, [(asset, one.name) for one in metrics], COINMETRICS, error)
        return
    _refuse(search, COINMETRICS, asset, answer)
    by_code = _by_metric(answer)
    for one in metrics:
        source = f"{COINMETRICS} {name} {' - '.join(one.coinmetrics)}"
        search.add((asset, one.name), combine([by_code.get(code, {}) for code in one.coinmetrics]).items(), source)


def combine(parts: list[Mapping[date, float]]) -> dict[date, float]:
    """A metric's values from those of its parts: the first less the others, on days that all have. Pure."""
    first, *others = parts
    days = set(first).intersection(*others)
    return {day: first[day] - sum(other[day] for other in others) for day in sorted(days)}


def ask_blockchain_info(search: Search, client: BlockchainInfo) -> None:
    """A question for each chart of which days are open."""
    for one in _open(search, _BITCOIN, BLOCKCHAIN_INFO):
        series, chart = (_BITCOIN, one.name), one.chart
        if chart is not None:
            days = search.open_days(series, BLOCKCHAIN_INFO)
            ask = _span(client.chart, chart, days, search.today)
            _ask(search, series, f"{BLOCKCHAIN_INFO} {chart}", ask)


def ask_etherscan(search: Search, client: Etherscan) -> None:
    """How much ether there is, for the day that ended last, unless Coin Metrics tells the series: then its value is waited for.

    What is asked for hours after midnight stands for midnight: ether grows by some 0.002 percent a day.
    """
    series, yesterday = (_ETHER, SUPPLY.name), search.today - DAY
    if COINMETRICS in search.answered.get(series, ()) or yesterday in search.stored.get(series, {}):
        return
    if yesterday in search.open_days(series, ETHERSCAN):
        _ask(
            search,
            series,
            f"{ETHERSCAN} ethsupply2",
            lambda: DayValues([DayValue("", yesterday, client.ether_supply())]),
        )


def ask_defillama(search: Search, client: DefiLlama) -> None:
    """The history of each chain."""
    for asset, one in search.rules.assets.items():
        series, chain = (asset, TVL.name), one.defillama
        days = search.open_days(series, DEFILLAMA)
        if chain is not None and days:
            _ask(search, series, f"{DEFILLAMA} {chain}", _span(client.chain_tvl, chain, days, search.today))


def ask_own_bars(search: Search, universe: Universe, warehouse: Warehouse) -> None:
    """Volatility, from the bars that are stored."""
    for asset in search.rules.assets:
        series = (asset, VOLATILITY.name)
        days = search.open_days(series, OWN_BARS)
        if days:
            search.hints[series] = "no eight days of bars in a market for dollars"
            for source, values in volatilities(warehouse, universe, asset, days):
                search.add(series, values, source)


def _open(search: Search, asset: str, source: str) -> list[Metric]:
    """Metrics of an asset that a source may tell and of which it has days open."""
    told = [one for one in METRICS.values() if (one.coinmetrics if source == COINMETRICS else one.chart)]
    return [one for one in told if search.open_days((asset, one.name), source)]


def _span(
    ask: Callable[[str, date, date, date], DayValues], name: str, days: list[date], today: date
) -> Callable[[], DayValues]:
    return lambda: ask(name, days[0], days[-1], today)


def _ask(search: Search, series: Series, source: str, ask: Callable[[], DayValues]) -> None:
    """One question that answers one series."""
    name = source.split(" ", 1)[0]
    try:
        answer = ask()
    except ProviderError as error:
        _note(search, name, series[0], error)
        _fail(search, [series], name, error)
        return
    _refuse(search, name, series[0], answer)
    search.add(series, [(one.day, one.value) for one in answer.rows], source)


def _by_metric(answer: DayValues) -> dict[str, dict[date, float]]:
    found: dict[str, dict[date, float]] = {}
    for one in answer.rows:
        found.setdefault(one.metric, {})[one.day] = one.value
    return found


def _fail(search: Search, all_series: list[Series], source: str, error: ProviderError) -> None:
    for series in all_series:
        search.fail(series, source, str(error))


def _refuse(search: Search, source: str, asset: str, answer: DayValues) -> None:
    search.refused += [(f"{source} {asset}", one) for one in answer.refused]


def _note(search: Search, source: str, what: str, error: ProviderError) -> None:
    """Keep an answer that could not be read."""
    if isinstance(error, Malformed):
        search.refused.append((f"{source} {what}", RefusedRow(error.problem, error.payload)))

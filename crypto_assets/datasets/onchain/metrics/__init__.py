"""Daily metrics of chains: activity, fees, hash rate, supply, flows, value locked, volatility (asset onchain/metrics).

One row is one metric of one currency's chain on one UTC day, in table onchain.metrics. Grain: asset, metric, day. Metrics:
active_addresses, transactions, fees_native, fees_usd, hash_rate (TH/s, proof of work alone), supply, exchange_inflow,
exchange_outflow, exchange_net_flow (inflow less outflow), market_cap_usd, tvl_usd, price_volatility_7d.

Sources, the best first: Coin Metrics' community API, blockchain.info for Bitcoin, Etherscan for the supply of ether (needs a
key), DefiLlama for the value locked, and our own bars for volatility. No other key is needed. A value that the first does not
have comes from the next; each row says whose it is. A better source's value replaces a worse one's as long as the day is asked
for (the last days by themselves, any day with `again`), never the other way round.

Licence: Coin Metrics' community data is CC BY-NC 4.0: name them, and do not use it commercially.

known_at is the end of the day plus the source's lag in the universe, for history as well: that is an assumption, for nobody
tells when an old value was published. A value that came later although it was asked for, and a corrected one, was known when
it came; the former value stands in audit.revisions, and read.py tells what was known at any moment. Volatility was known when
the last of its bars closed.

Caveats: what is free changes, so the catalogue is asked each time; the run's table says which days of which series are known,
and from whom. Sources define alike-named things differently: blockchain.info counts other addresses than Coin Metrics does,
so a change of `source` within a series may be a step. DefiLlama recomputes its history. Etherscan's supply is of hours after
midnight. A day that nobody has is absent; no value is filled in.
"""

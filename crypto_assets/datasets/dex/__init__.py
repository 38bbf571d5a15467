"""What happens on decentralised exchanges: DEXes, their pools, the pools' bars and trades, as GeckoTerminal tells it."""

"""What transactions cost on Ethereum, Bitcoin and Solana (asset onchain/network_fees, table onchain.network_fees).

One row is what one chain asked for a transaction at one moment. Grain: chain and time: a sample every quarter of an hour while
the day is open; of days that are over, Ethereum's fees every four hours. Columns of other chains are null.

Ethereum: the newest 20 blocks (about four minutes) by eth_feeHistory, from the first node that answers: yours, then public
ones. Base fees are those of the newest block and of the next one; tips are what 10, 50 and 90 % of a block's gas paid at most,
the median over the blocks that are not empty. Where no node answers and there is a key, Etherscan's gas oracle stands in, which
the source says: its safe, proposed and fast prices less the next base fee stand in the place of p10, p50 and p90, which they
are not, and the newest block's own base fee is not known. Bitcoin: what mempool.space recommends. Solana: percentiles of the
last 150 blocks' least priority fees, from a node.

Time: observed_at and known_at of a sample are when the answer had come. A point of the past bears the time of its newest
block, the first at or after the full four hours, and counts as known half a minute later. Before 2021-08-05 there are no base
fees, and no rows.

Caveats: Bitcoin and Solana only tell of now: what was not sampled is lost, and a run for a day that is over says so in its log.
Nodes see blocks some seconds apart, and a block of a sample may still be replaced; points of the past are final. Solana's
least fee of a block is mostly zero unless the universe names accounts that transactions write to. Public nodes may keep no
receipts of old blocks: then a point of the past fails, and a node of yours with an archive is what helps. Nodes that lag, or
are of another chain, are not believed; beyond that a node's word is taken.
"""

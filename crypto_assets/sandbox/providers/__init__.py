"""Wire formats of what is no exchange: economies, chains, fees, news and moods; one file a provider.

What belongs here: which paths there are, and how an answer is written. What does not: venues (sandbox/venues) and serving.
"""

from crypto_assets.sandbox.providers.alternative_me import AlternativeMe
from crypto_assets.sandbox.providers.blockchain_info import BlockchainInfo
from crypto_assets.sandbox.providers.coinmetrics import CoinMetrics
from crypto_assets.sandbox.providers.defillama import DefiLlama
from crypto_assets.sandbox.providers.etherscan import Etherscan
from crypto_assets.sandbox.providers.evm_rpc import EvmRpc
from crypto_assets.sandbox.providers.feeds import NEWS_FEEDS, CryptoPanicPosts
from crypto_assets.sandbox.providers.fred import Fred
from crypto_assets.sandbox.providers.mempool_space import MempoolSpace
from crypto_assets.sandbox.providers.solana_rpc import SolanaRpc
from crypto_assets.sandbox.venues.exchange import VenueFormat

FORMATS: tuple[VenueFormat, ...] = (
    Fred(),
    CoinMetrics(),
    BlockchainInfo(),
    DefiLlama(),
    EvmRpc(),
    Etherscan(),
    MempoolSpace(),
    SolanaRpc(),
    AlternativeMe(),
    *NEWS_FEEDS,
    CryptoPanicPosts(),
)

__all__ = ["FORMATS"]

"""What can go wrong with a provider: four classes, and the class decides what happens.

What belongs here: the classes. What does not: telling which one an answer is (exchange_session.py) and acting on it
(transport.py).

Throttled waits as long as the provider says, Unavailable and Malformed are asked again with growing, jittered pauses,
Rejected is final.
"""

from __future__ import annotations

from crypto_assets.errors import CryptoAssetsError


class ProviderError(CryptoAssetsError):
    """A provider did not give what it was asked for."""


class Throttled(ProviderError):
    """Asked too often (429, 418, or the provider's own words for it).

    Args:
        retry_after_seconds: How long the provider asks us to wait; None where it does not say.
    """

    def __init__(self, problem: str, *, way_out: str = "", retry_after_seconds: float | None = None) -> None:
        super().__init__(problem, way_out=way_out)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(ProviderError):
    """No answer, or the provider says that it cannot answer now."""


class BreakerOpen(Unavailable):
    """Not asked: the provider failed too often in a row or asked for rest, and is left alone for a while."""


class Rejected(ProviderError):
    """The provider understood and refused: asking again brings the same."""


class NotServed(Rejected):
    """The provider has no such thing to ask for: a venue without order books, say."""


class NotListed(Rejected):
    """The venue's list of markets does not hold the symbol."""


class Malformed(ProviderError):
    """An answer that cannot be what was asked for.

    Args:
        payload: The answer as it came, for the quarantine.
    """

    def __init__(self, problem: str, *, way_out: str = "", payload: object = None) -> None:
        super().__init__(problem, way_out=way_out)
        self.payload = payload

"""Best prices of one venue over its own sockets: as many connections as its markets take.

What belongs here: which markets go on which connection, and whereto. What does not: one connection (connection.py), trying
again (attempts.py), formats, and what is made of quotes (stream/).
"""

from __future__ import annotations

import asyncio
from itertools import batched
from typing import cast

from crypto_assets.clients.book_tickers.attempts import Outages, keep_trying
from crypto_assets.clients.book_tickers.connection import Connection, Patience
from crypto_assets.clients.book_tickers.format import Format
from crypto_assets.clients.book_tickers.quote import Listener
from crypto_assets.clients.redirect import redirect_urls


class SocketFeed:
    """One venue's quotes. Making one opens nothing.

    Args:
        form: The venue's words, with the markets to follow.
        patience: How long a connection is waited for.
        sandbox_url: Connect to this server, which speaks the venues' formats, in place of the venue: http://127.0.0.1:PORT.
    """

    def __init__(self, form: Format, patience: Patience, *, sandbox_url: str | None = None) -> None:
        self.venue = form.venue
        self._form = form
        self._patience = patience
        self._url = form.url if sandbox_url is None else cast("str", redirect_urls(form.url, None, sandbox_url))

    async def run(self, listener: Listener) -> None:
        """Connect, subscribe, tell and reconnect, until cancelled; closes its sockets on the way out.

        Raises:
            ExceptionGroup: what a listener raised, which none should.
        """

        def connection() -> Connection:
            return Connection(self._form, listener, self._url, self._patience)

        async with asyncio.TaskGroup() as group:
            for shard in batched(self._form.symbols, self._form.symbols_per_connection):
                life = keep_trying(connection, shard, Outages(self.venue, listener))
                group.create_task(life, name=f"quotes of {self.venue} from {shard[0]} on")

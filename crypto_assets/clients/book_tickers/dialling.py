"""The first steps to a venue: a TCP connection, and what is made of a handshake that fails.

What belongs here: sockets before they speak, the words of refusals. What does not: the connection (connection.py).
"""

from __future__ import annotations

import asyncio
import os
import socket
from http import HTTPStatus

from picows import WSHandshakeError

from crypto_assets.clients.book_tickers.attempts import ConnectionLost
from crypto_assets.clients.book_tickers.format import plain
from crypto_assets.clients.transport import retry_after_seconds


async def dial(host: str, port: int, seconds: float) -> socket.socket:
    """A connected socket; of a name's addresses the first that answers.

    Args:
        seconds: For the name, and for each of its addresses.

    Raises:
        OSError: none answers; its text says why the last did not.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise OSError(f"no address of {host} within {seconds:g} s") from error
    failure = OSError("the name has no address")
    for family, kind, protocol, _, address in found:
        one = socket.socket(family, kind, protocol)
        try:
            one.setblocking(False)
            async with asyncio.timeout(seconds):
                await loop.sock_connect(one, address)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        except TimeoutError:
            one.close()
            failure = OSError(f"no TCP connection within {seconds:g} s")
        except OSError as error:
            one.close()
            failure = OSError(os.strerror(error.errno) if error.errno else str(error))
        except BaseException:
            one.close()
            raise
        else:
            return one
    raise failure


def refusal(error: WSHandshakeError) -> ConnectionLost:
    """What is told of a handshake that was answered otherwise: the status, and how long to stay away where it says so."""
    answer = error.response
    if answer is None:
        return ConnectionLost(f"the handshake failed: {plain(str(error.args[0]))}")
    status = HTTPStatus(answer.status)
    kind = plain(answer.headers.get("Content-Type", "no content type"))
    return ConnectionLost(
        f"the handshake was answered {status.value} {status.phrase} ({kind}), not as a WebSocket's",
        retry_after_seconds=retry_after_seconds(dict(answer.headers)),
    )


def words_of(error: Exception) -> str:
    """What a failure says, without numbers of the operating system where it has words."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return plain(str(text))

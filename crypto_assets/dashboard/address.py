"""Where the dashboard is found.

What belongs here: the URL of an address. What does not: listening there (serving.py); who only names it needs nothing else.
"""

from __future__ import annotations

import ipaddress


def url_of(host: str, port: int) -> str:
    """Where a browser on this machine finds it. Pure."""
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        return f"http://127.0.0.1:{port}"
    return f"http://[{host}]:{port}" if address.version == 6 else f"http://{host}:{port}"


__all__ = ["url_of"]

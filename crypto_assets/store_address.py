"""What can be shown of the address of a store, a folder or one that fsspec knows.

What belongs here: that. What does not: opening it (exports/place.py, warehouse/backup_place.py and others).
"""

from __future__ import annotations


def without_credentials(address: str) -> str:
    """An address without user, password and query; a password may hold anything, so all before the last @ goes. Pure."""
    if "://" not in address:
        return address
    scheme, rest = address.split("://", 1)
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"

"""Deleting a training set, or what is left of one.

What belongs here: the order: the row first, so that a deletion that is ended in between leaves no set without its files. What
does not: who may not be left without it (catalog.py).
"""

from __future__ import annotations

from crypto_assets.training_sets.catalog import alone, find, strike
from crypto_assets.training_sets.place import Shelf
from crypto_assets.training_sets.question import checked_name
from crypto_assets.training_sets.refusals import SetUnknown
from crypto_assets.warehouse.connection import Warehouse


def delete(warehouse: Warehouse, shelf: Shelf, name: str) -> bool:
    """Take a set away.

    Returns:
        Whether it was a set; False for what was left of one.

    Raises:
        SetRefused: no set may have such a name.
        SetUnknown: nothing has that name.
        SetInUse: naming the models that learned from it.
        SetExists: it is being written or deleted by another process.
        PlaceUnavailable, DatabaseUnreachable: place or catalog cannot be written.
    """
    checked_name(name)
    with alone(warehouse, name):
        is_listed = find(warehouse, name) is not None
        if not is_listed and not shelf.holds(name):
            raise SetUnknown(
                f"Nothing is named {name}, neither in the catalog nor in {shelf}",
                way_out="`crypto-assets dataset list` shows all.",
            )
        if is_listed:
            strike(warehouse, name)
        shelf.remove(name)
    return is_listed


__all__ = ["delete"]

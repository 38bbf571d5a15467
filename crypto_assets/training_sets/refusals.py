"""What can be wrong with a training set, or with what is asked of one.

What belongs here: the errors, which several modules of this folder raise. What does not: anything else.
"""

from __future__ import annotations

from crypto_assets.errors import CryptoAssetsError


class SetRefused(CryptoAssetsError):
    """What is asked for makes no set: a strange name, an unknown market or column, a moment that is not over."""


class SetExists(SetRefused):
    """A set of that name is there, or what is left of one."""


class SetUnknown(CryptoAssetsError):
    """No set has that name."""


class SetDamaged(CryptoAssetsError):
    """A file of a set is not what was written: missing, cut off or altered.

    Args:
        file: Its name.
    """

    def __init__(self, problem: str, *, way_out: str = "", file: str = "") -> None:
        super().__init__(problem, way_out=way_out)
        self.file = file


class ManifestRefused(SetDamaged):
    """A manifest that cannot be trusted or read: altered, of another format, or naming what no set may hold."""


class ManifestAltered(ManifestRefused):
    """A manifest that is not the one whose hash the catalog kept; one that is, and cannot be read, is of another version."""


class SetInUse(CryptoAssetsError):
    """A registered model names the set, so it stays."""


class PlaceUnavailable(CryptoAssetsError):
    """The place of training sets cannot be read or written: no such protocol, no permission, no room, no connection."""


__all__ = [
    "ManifestAltered", "ManifestRefused", "PlaceUnavailable", "SetDamaged", "SetExists", "SetInUse", "SetRefused", "SetUnknown",
]  # fmt: skip

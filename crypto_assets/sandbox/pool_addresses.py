"""Addresses of made-up pools and tokens: they look like a chain's own, and tell the number they were made from.

What belongs here: numbers to addresses and back, and hashes of transactions. What does not: which pools there are
(seeded_pool_list.py).

An address is a hash of its number, followed by the number under a mask that the hash gives. So a pool is found by its
address without a list of all that ever were.
"""

from __future__ import annotations

import hashlib

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_PLACES = {letter: place for place, letter in enumerate(ALPHABET)}
_LETTERS = bytes(ord(ALPHABET[byte % 58]) for byte in range(256))
_NUMBER_BYTES = 8


def make_address(is_hex: bool, label: str, number: int) -> str:
    """0x and 40 hex digits, or 32 bytes in base 58."""
    size = 20 if is_hex else 32
    front = hashlib.sha256(f"{label}|{number}".encode()).digest()[: size - _NUMBER_BYTES]
    content = front + (number ^ _mask(label, front)).to_bytes(_NUMBER_BYTES, "big")
    return "0x" + content.hex() if is_hex else _to_base58(content)


def number_of(is_hex: bool, label: str, address: str) -> int | None:
    """The number that the address was made from under this label, or None."""
    content = _bytes_of(is_hex, address)
    if content is None:
        return None
    front, tail = content[:-_NUMBER_BYTES], content[-_NUMBER_BYTES:]
    number = int.from_bytes(tail, "big") ^ _mask(label, front)
    return number if make_address(is_hex, label, number) == address else None


def make_hash(is_hex: bool, label: str) -> str:
    """A transaction's hash: 0x and 64 hex digits, or 88 letters of base 58."""
    if is_hex:
        return "0x" + hashlib.sha256(label.encode()).hexdigest()
    drawn = hashlib.shake_128(label.encode()).digest(88)
    return ALPHABET[1 + drawn[0] % 4] + drawn[1:].translate(_LETTERS).decode()  # 64 bytes never begin with more than 5


def _mask(label: str, front: bytes) -> int:
    return int.from_bytes(hashlib.sha256(label.encode() + front).digest()[:_NUMBER_BYTES], "big")


def _to_base58(content: bytes) -> str:
    number, letters = int.from_bytes(content, "big"), ""
    while number:
        number, place = divmod(number, 58)
        letters = ALPHABET[place] + letters
    return "1" * (len(content) - len(content.lstrip(b"\0"))) + letters


def _bytes_of(is_hex: bool, address: str) -> bytes | None:
    try:
        if is_hex:
            content = bytes.fromhex(address.removeprefix("0x"))
            return content if len(content) == 20 else None
        number = 0
        for letter in address[:64]:
            number = number * 58 + _PLACES[letter]
        return number.to_bytes(32, "big")
    except (ValueError, KeyError, OverflowError):
        return None

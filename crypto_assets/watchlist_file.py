"""Which pools and tokens to follow by name: config/watchlist.csv, each row checked by itself.

What belongs here: the shape of the file, the rules of a row, and what is wrong with one that breaks them. What does not:
which networks there are (universe.py), remembering entries and finding a token's pool (datasets/dex/watchlist).

The file comes from outside, so nothing of it is believed: a row that breaks a rule is refused by its line and the rest
load; only a file that cannot be a watchlist at all is refused whole.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import re
import stat
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.universe import MAX_FILE_BYTES, Universe, UniverseError

AddressType = Literal["pool", "token"]

COLUMNS = ("network", "address", "address_type", "symbol", "min_trade_usd", "note")
MAX_ROWS = 10_000  # each row costs requests: at thirty a minute this many take a day, so more is a mistake
MAX_MIN_TRADE_USD = Decimal("1e9")
MAX_SHOWN = 200  # characters of a refused row
# A quote that is never closed would take the rest of the file with it. Within so many lines it counts as a cell with line
# breaks; beyond, its line alone is refused. The bound also keeps a hostile file from being read again from every line.
MAX_ROW_LINES = 20

# GeckoTerminal's ids of chains whose addresses are neither the EVM's nor Solana's. Those not named here count as EVM.
OTHER_FORMS = frozenset(
    {
        "algorand", "aptos", "cardano", "eclipse", "hydration", "icp", "injective", "multiversx", "near", "osmosis", "radix",
        "sei-network", "stacks", "starknet-alpha", "stellar", "sui-network", "terra", "ton", "tron", "xrpl",
    }
)  # fmt: skip

_TYPES: Mapping[str, AddressType] = {"pool": "pool", "token": "token"}
_MAX_LENGTH = {"symbol": 40, "note": 200}
_MAX_OTHER_LENGTH = 130
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE58_ADDRESS = re.compile(f"[{_BASE58}]{{32,44}}")  # 32 bytes are never shorter or longer
_EVM_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_EVM_POOL_ID = re.compile(r"0x[0-9a-fA-F]{64}")
_OTHER_ADDRESS = re.compile(r"[A-Za-z0-9:_-]{10,120}")
_DECIMAL = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")
_JOINERS = "\u200c\u200d"  # invisible, but words of Persian and Hindi, and many emoji, are spelt with them
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class WatchlistError(CryptoAssetsError):
    """The watchlist is missing, unreadable, too large, or its header is not a watchlist's."""


@dataclass(frozen=True)
class WatchedAddress:
    """One good row.

    Args:
        network: Our name of the chain, whichever name the file used.
        address: Hexadecimal ones of EVM chains in lower case, others as written.
        symbol: What the file calls it; may be empty.
        min_trade_usd: Trades below this value are not asked for [USD].
        note: What the file says of it; may be empty.
        line: Where its row begins, from 1.
    """

    network: str
    address: str
    address_type: AddressType
    symbol: str
    min_trade_usd: Decimal
    note: str
    line: int


@dataclass(frozen=True)
class BadRow:
    """One refused row; both texts are safe to print.

    Args:
        line: Where the row begins, from 1.
        problem: The first rule that it breaks.
        row: The row itself, hidden characters escaped, at most 200 characters.
    """

    line: int
    problem: str
    row: str


@dataclass(frozen=True)
class Watchlist:
    """A whole file, each row either in `entries` or in `bad`, in the file's order; `content_hash` is its SHA-256 in hex."""

    entries: tuple[WatchedAddress, ...]
    bad: tuple[BadRow, ...]
    content_hash: str


@dataclass(frozen=True)
class _Row:
    line: int
    text: str
    cells: Sequence[str]
    problem: str = ""


def read_watchlist(path: Path, universe: Universe) -> Watchlist:
    """The rows of a watchlist file.

    Raises:
        WatchlistError: it cannot be read, or is refused whole (`parse_watchlist`).
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a folder; or a pipe, on which reading would wait for ever
            raise _unreadable(path, "it is no file")
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(path, getattr(error, "strerror", None) or str(error)) from None
    return parse_watchlist(content, path.name, universe)


def parse_watchlist(content: bytes, name: str, universe: Universe) -> Watchlist:
    """The rows of the watchlist file called `name`, each good or refused by its line.

    UTF-8, with or without a byte order mark; lines end with LF or CRLF. Empty lines and lines that begin with # are
    skipped. The first other line is the header. Of rows with the same network and address the first good one counts.

    Raises:
        WatchlistError: larger than 1 MB, more than 10,000 rows, or a header that lacks columns or has others.
    """
    if len(content) > MAX_FILE_BYTES:
        raise WatchlistError(f"{printable(name)} is larger than {MAX_FILE_BYTES} bytes", way_out="Name a watchlist.")
    # Bytes that are no UTF-8 become surrogates, which no sound text holds: so they cost their row alone.
    text = content.decode("utf-8", errors="surrogateescape").removeprefix("\ufeff")
    rows = _rows(text)
    columns = _header(next(rows, None), name)
    entries: dict[tuple[str, str], WatchedAddress] = {}
    bad: list[BadRow] = []
    for count, row in enumerate(rows, start=1):
        if count > MAX_ROWS:
            raise WatchlistError(f"{printable(name)} has more than {MAX_ROWS} rows", way_out="Leave some out.")
        try:
            entry = _entry(row, columns, universe)
            _refuse_repeated(entry, entries)
        except ValueError as problem:
            bad.append(BadRow(row.line, str(problem), _cut(printable(row.text[: MAX_SHOWN + 1]), MAX_SHOWN)))
        else:
            entries[entry.network, entry.address] = entry
    return Watchlist(tuple(entries.values()), tuple(bad), hashlib.sha256(content).hexdigest())


def printable(text: str) -> str:
    r"""The text with every hidden character escaped, as \x1b: control, bidirectional and unassigned ones, lone surrogates."""
    return "".join(char.encode("unicode_escape").decode() if _is_hidden(char) else char for char in text)


def base58_bytes(text: str) -> bytes:
    """What a base58 text stands for; each leading 1 is a zero byte.

    Raises:
        ValueError: it holds another character.
    """
    number = 0
    for char in text:
        number = number * 58 + _BASE58.index(char)
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def _rows(text: str) -> Iterator[_Row]:
    """The rows with the lines they begin in; a line that breaks CSV's own rules is a row with a problem and no cells."""
    # Only LF ends a line: str.splitlines would also cut at separators that editors do not count.
    lines = [f"{line}\n" for line in text.split("\n")]
    at = 0
    while at < len(lines):
        if lines[at].startswith("#") or not lines[at].strip(" \t\r\n"):
            at += 1
            continue
        reader = csv.reader(lines[at : at + MAX_ROW_LINES], strict=True)
        cells, taken, problem = [], 1, ""
        try:
            cells = next(reader)
            taken = reader.line_num
        except csv.Error as error:
            problem = _csv_problem(str(error))  # its first line alone is refused: the next one may be sound
        if taken > 1:
            problem = f"a quoted cell goes on to line {at + taken}; expected a row in one line"
        yield _Row(at + 1, "".join(lines[at : at + taken]).rstrip("\r\n"), cells, problem)
        at += taken


def _header(row: _Row | None, name: str) -> Sequence[str]:
    """The columns in the file's order."""
    shown = printable(name)
    way_out = f"The header is {','.join(COLUMNS)}, in any order, commas between, in UTF-8."
    if row is None:
        raise WatchlistError(f"{shown} is empty", way_out=way_out)
    if row.problem:
        raise WatchlistError(f"{shown}, line {row.line}: {row.problem}", way_out=way_out)
    columns = [cell.strip() for cell in row.cells]
    problems = {
        "unknown": [column for column in columns if column not in COLUMNS],
        "missing": [column for column in COLUMNS if column not in columns],
        "repeated": [column for column in COLUMNS if columns.count(column) > 1],
    }
    said = [f"{kind} columns: {_listed(found)}" for kind, found in problems.items() if found]
    if said:
        raise WatchlistError(f"{shown}, line {row.line}: {'; '.join(said)}", way_out=way_out)
    return columns


def _entry(row: _Row, columns: Sequence[str], universe: Universe) -> WatchedAddress:
    """The row as an entry.

    Raises:
        ValueError: with the first rule that it breaks, safe to print.
    """
    if row.problem:
        raise ValueError(row.problem)
    if len(row.cells) != len(columns):
        raise ValueError(f"expected {len(columns)} cells, as the header has; got {len(row.cells)}")
    cells = {column: _cell(column, cell) for column, cell in zip(columns, row.cells, strict=True)}
    network = _network(cells["network"], universe)
    address_type = _TYPES.get(cells["address_type"])
    if address_type is None:
        raise ValueError(f"address_type is {_quoted(cells['address_type'])}; expected pool or token")
    return WatchedAddress(
        network=network,
        address=_address(cells["address"], universe.dex.api_id(network), address_type),
        address_type=address_type,
        symbol=_symbol(cells["symbol"]),
        min_trade_usd=_min_trade_usd(cells["min_trade_usd"]),
        note=_no_formula("note", cells["note"]),
        line=row.line,
    )


def _refuse_repeated(entry: WatchedAddress, entries: Mapping[tuple[str, str], WatchedAddress]) -> None:
    first = entries.get((entry.network, entry.address))
    if first is not None:
        raise ValueError(f"{entry.address} on {entry.network} stands in line {first.line} already")


def _cell(column: str, cell: str) -> str:
    """A cell without the spaces around it, once each of its characters can be shown."""
    for char in cell:
        if "\ud800" <= char <= "\udfff":
            raise ValueError(f"{column} is no UTF-8")
        if _is_hidden(char):
            raise ValueError(f"{column} holds the hidden character U+{ord(char):04X}")
    text = cell.strip()
    allowed = _MAX_LENGTH.get(column, _MAX_OTHER_LENGTH)
    if len(text) > allowed:
        raise ValueError(f"{column} has {len(text)} characters; {allowed} are allowed")
    return text


def _network(text: str, universe: Universe) -> str:
    """Our name of the network."""
    try:
        return universe.network(text)
    except UniverseError as error:
        networks = universe.dex.networks
        ours = {name: name for name in networks} | {networks[name].id or name: name for name in networks}
        near = difflib.get_close_matches(text.lower(), ours, n=1)
        hint = f"did you mean {ours[near[0]]}?" if near else f"the universe has {_listed(sorted(networks))}"
        raise ValueError(f"{error.problem}; {hint}") from None


def _address(text: str, api_id: str, address_type: AddressType) -> str:
    """The address as it is stored, by the form that its chain has.

    - `solana`: base58 that stands for exactly 32 bytes.
    - The chains in OTHER_FORMS (Sui, Aptos, TON, Tron, …): 10 to 120 of A-Z a-z 0-9 : _ -, as written; their forms differ,
      and the provider knows them.
    - All others are EVM chains: 0x and 40 hexadecimal digits; mixed case, a checksum there, is stored in lower case. For
      a pool also 64: Uniswap v4 keeps all pools in one contract, so that a pool has no address but an id, the Keccak-256
      hash of its key.

    Raises:
        ValueError: it has another form.
    """
    if api_id == "solana":
        if not _BASE58_ADDRESS.fullmatch(text) or len(base58_bytes(text)) != 32:
            raise ValueError(f"address is {_quoted(text)}; expected base58 of 32 bytes, as Solana's are")
        return text
    if api_id in OTHER_FORMS:
        if not _OTHER_ADDRESS.fullmatch(text):
            raise ValueError(f"address is {_quoted(text)}; expected 10 to 120 letters, digits, ':', '_' or '-'")
        return text
    if _EVM_ADDRESS.fullmatch(text) or (address_type == "pool" and _EVM_POOL_ID.fullmatch(text)):
        return text.lower()
    either = " (or 64, a Uniswap v4 pool id)" if address_type == "pool" else ""
    raise ValueError(f"address is {_quoted(text)}; expected 0x and 40 hexadecimal digits{either}")


def _symbol(text: str) -> str:
    _no_formula("symbol", text)
    strange = next((char for char in text if not (char.isalnum() or char in " ._$-/")), None)
    if strange is not None:
        raise ValueError(f"symbol holds {_quoted(strange)}; expected letters, digits, spaces and ._$-/")
    return text


def _no_formula(column: str, text: str) -> str:
    """The text, unless a spreadsheet that the entry is exported to would run it; full-width signs count there too."""
    begin = unicodedata.normalize("NFKC", text.lstrip(_JOINERS)[:1])
    if begin[:1] in {"=", "+", "-", "@"}:
        raise ValueError(f"{column} begins with {_quoted(begin)}, as a spreadsheet's formula does")
    return text


def _min_trade_usd(text: str) -> Decimal:
    if not text:
        return Decimal(0)
    if not _DECIMAL.fullmatch(text) or Decimal(text) > MAX_MIN_TRADE_USD:
        raise ValueError(f"min_trade_usd is {_quoted(text)}; expected a plain number from 0 to {MAX_MIN_TRADE_USD:,f}")
    return Decimal(text)


def _csv_problem(said: str) -> str:
    """The csv module's words for a line, in ours where they would puzzle."""
    if said.startswith("unexpected end"):
        return f"a quote is not closed within {MAX_ROW_LINES} lines"
    if said.startswith("new-line character"):
        return "a carriage return stands within the line; expected lines that end with LF or CRLF"
    return f"no CSV: {said}"


def _is_hidden(char: str) -> bool:
    return unicodedata.category(char) in _HIDDEN and char not in _JOINERS


def _quoted(text: str) -> str:
    return f"'{_cut(printable(text[:61]), 60)}'"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(_quoted, names[:6])) + (", …" if len(names) > 6 else "")


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _unreadable(path: Path, why: str) -> WatchlistError:
    return WatchlistError(
        f"Cannot read the watchlist {printable(path.name)}: {printable(why)}",
        way_out="Name a file, or set CRYPTO_ASSETS_WATCHLIST.",
    )

"""The watchlist file: what is accepted, what each mistake is called, and that a bad row costs only itself."""

import csv
import hashlib
import io
import os
import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.universe import MAX_FILE_BYTES, parse_universe, read_universe
from crypto_assets.watchlist_file import (
    COLUMNS,
    MAX_ROW_LINES,
    MAX_ROWS,
    BadRow,
    WatchedAddress,
    Watchlist,
    WatchlistError,
    base58_bytes,
    parse_watchlist,
    printable,
    read_watchlist,
)

CONFIG = Path(__file__).parents[1] / "config"
UNIVERSE = parse_universe(
    """
history_from: 2024-01-01
venues: {okx: {markets: [BTC/USDT]}}
dex:
  networks:
    solana: {dexes: [pumpswap]}
    ethereum: {id: eth, dexes: [uniswap_v3]}
    sui: {id: sui-network, dexes: [cetus]}
""",
    "u.yaml",
)
HEADER = ",".join(COLUMNS)
SOL = "So11111111111111111111111111111111111111112"
POOL = "7bqJG2ZdMKbEkgSmfuqNVBvqEvWavgL8UEo33ZqdL3NP"
WETH = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
GOOD = f"solana,{SOL},token,SOL,,"


def parse(*lines: str, header: str = HEADER, end: str = "\n") -> Watchlist:
    return parse_watchlist(end.join([header, *lines]).encode(), "my.csv", UNIVERSE)


def only_problem(*lines: str) -> BadRow:
    """The refused row of lines that a good one follows, which must load whatever stood before it."""
    found = parse(*lines, f"solana,{POOL},pool,,,")
    assert [entry.address for entry in found.entries] == [POOL]
    [bad] = found.bad
    return bad


def test_the_shipped_watchlist_is_good() -> None:
    universe, _ = read_universe(CONFIG / "universe.yaml")
    found = read_watchlist(CONFIG / "watchlist.csv", universe)
    assert not found.bad
    assert {(entry.network, entry.symbol) for entry in found.entries} == {("solana", "SOL"), ("ethereum", "WETH")}


def test_a_good_row_is_typed_and_normalised() -> None:
    text = f"{HEADER}\r\neth, {WETH} ,token,WETH / e,2500.50,on Élysée\r\n"
    found = parse_watchlist(text.encode(), "my.csv", UNIVERSE)
    assert found.entries == (
        WatchedAddress("ethereum", WETH.lower(), "token", "WETH / e", Decimal("2500.50"), "on Élysée", 2),
    )
    assert found.content_hash == hashlib.sha256(text.encode()).hexdigest()


def test_columns_may_stand_in_any_order_behind_comments_and_a_byte_order_mark() -> None:
    text = f'\ufeff# mine\n\nnote,"symbol",address_type,min_trade_usd,address,network\n,,pool,,{POOL},solana\n'
    [entry] = parse_watchlist(text.encode(), "my.csv", UNIVERSE).entries
    assert (entry.address, entry.min_trade_usd, entry.symbol, entry.line) == (POOL, Decimal(0), "", 4)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_are_counted_as_an_editor_counts_them(end: str) -> None:
    found = parse(
        "# a comment, with a comma",
        "",
        "  ",
        f'solana,{SOL},token,,,"a note{end}of three{end}# lines"',
        "solana",
        GOOD,
        "\u2028",
        end=end,
    )
    assert [(bad.line, bad.problem.split(";")[0]) for bad in found.bad] == [
        (5, "a quoted cell goes on to line 7"),
        (8, "expected 6 cells, as the header has"),
        (10, "expected 6 cells, as the header has"),
    ]
    assert [entry.line for entry in found.entries] == [9]
    assert found.bad[0].row.endswith(r"of three\n# lines" + '"' if end == "\n" else r"of three\r\n# lines" + '"')


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("", "my.csv is empty"),
        ("# only a comment", "my.csv is empty"),
        (f"{HEADER},colour", "unknown columns: 'colour'"),
        ("network,address,address_type,symbol,note", "missing columns: 'min_trade_usd'"),
        (HEADER.replace("note", "symbol"), "missing columns: 'note'; repeated columns: 'symbol'"),
        (HEADER.replace(",", ";"), f"unknown columns: '{HEADER.replace(',', ';')}'"),
        (HEADER.upper(), "missing columns: 'network'"),
        (f'{HEADER},"', "line 1: a quote is not closed"),
        (f"{HEADER},\x1b[2J", r"unknown columns: '\x1b[2J'"),
        (f"{HEADER}\r{GOOD}", "line 1: a carriage return stands within the line"),
        (HEADER + ",x" * 50, "'x', 'x', 'x', 'x', 'x', 'x', …"),
    ],
)
def test_a_file_without_the_header_is_refused_whole(header: str, said: str) -> None:
    with pytest.raises(WatchlistError) as caught:
        parse(header=header)
    assert said in caught.value.problem
    assert HEADER in caught.value.way_out


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (f"solanna,{SOL},token,,,", "Unknown network 'solanna'; did you mean solana?"),
        (f"SOLANA,{SOL},token,,,", "did you mean solana?"),
        (f"ethh,{WETH},token,,,", "did you mean ethereum?"),
        (f"dogechain,{SOL},token,,,", "Unknown network 'dogechain'; the universe has 'ethereum', 'solana', 'sui'"),
        (f",{SOL},token,,,", "Unknown network ''"),
        (f"solana,{SOL},Token,,,", "address_type is 'Token'; expected pool or token"),
        (f"solana,{SOL},,,,", "address_type is ''"),
        ("solana,,token,,,", "address is ''; expected base58 of 32 bytes"),
        (f"solana,{SOL[:-1]}0,token,,,", "expected base58"),
        (f"solana,{SOL[:-1]}l,token,,,", "expected base58"),
        (f"solana,{SOL}2,token,,,", "expected base58"),
        (f"solana,{'1' * 31},token,,,", "expected base58"),
        (f"solana,{'z' * 44},token,,,", "expected base58"),
        (f"solana,solana_{SOL},token,,,", "expected base58"),
        (f"solana,{WETH},token,,,", "expected base58"),
        (f"ethereum,{SOL},pool,,,", "expected 0x and 40 hexadecimal digits (or 64, a Uniswap v4 pool id)"),
        (f"ethereum,{WETH[:-1]},token,,,", "expected 0x and 40 hexadecimal digits"),
        (f"ethereum,{WETH[:-1]}g,token,,,", "expected 0x and 40"),
        (f"ethereum,{WETH[2:]},token,,,", "expected 0x and 40"),
        (f"ethereum,0x{'ab' * 32},token,,,", "expected 0x and 40 hexadecimal digits"),
        ("sui,0x2,pool,,,", "expected 10 to 120"),
        ("sui,0x2/../../etc/passwd,pool,,,", "expected 10 to 120"),
        (f"solana,{SOL},token,{'x' * 41},,", "symbol has 41 characters; 40 are allowed"),
        (f"solana,{SOL},token,,,{'x' * 201}", "note has 201 characters; 200 are allowed"),
        (f"solana,{'1' * 131},token,,,", "address has 131 characters"),
        (f"solana,{SOL},token,S[b]L,,", "symbol holds '['"),
        (f"solana,{SOL},token,S;L,,", "symbol holds ';'"),
        (f"solana,{SOL},token,🚀,,", "symbol holds '🚀'"),
        (f"solana,{SOL},token,SOL,,,", "expected 6 cells, as the header has; got 7"),
        (f"solana,{SOL},token,SOL,", "got 5"),
        (f'solana,{SOL},token,"S"OL,,', "no CSV: ',' expected after '\"'"),
        (f'solana,{SOL},token,"SOL,,', "a quote is not closed within 20 lines"),
        (f"solana,{SOL},token,SO\rL,,", "a carriage return stands within the line"),
    ],
)
def test_each_mistake_costs_its_row_and_is_named(row: str, said: str) -> None:
    bad = only_problem(row)
    assert bad.line == 2
    assert said in bad.problem
    assert bad.row == row.replace("\r", r"\r") or (len(row) > 200 and bad.row == f"{row[:199]}…")


@pytest.mark.parametrize(
    "sign", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\ufe66", "\u200d=", " ="]
)
@pytest.mark.parametrize("column", ["symbol", "note"])
def test_what_a_spreadsheet_would_run_is_refused(column: str, sign: str) -> None:
    cell = f"{sign}HYPERLINK"
    bad = only_problem(f"solana,{SOL},token,{cell},," if column == "symbol" else f"solana,{SOL},token,,,{cell}")
    assert re.match(rf"{column} begins with '[=+@-]', as a spreadsheet's formula does", bad.problem)


@pytest.mark.parametrize(
    "char", ["\x00", "\t", "\x1b", "\x7f", "\x85", "\x9b", "\u202e", "\u2028", "\ufeff", "\U000e0041", "\ue000"]
)
@pytest.mark.parametrize("at", range(len(COLUMNS)))
def test_hidden_characters_are_refused_in_every_cell_and_escaped(at: int, char: str) -> None:
    cells = GOOD.split(",")
    cells[at] = char + cells[at]
    bad = only_problem(",".join(cells))
    assert bad.problem == f"{COLUMNS[at]} holds the hidden character U+{ord(char):04X}"
    assert char not in bad.row
    assert bad.row == ",".join(cells).replace(char, char.encode("unicode_escape").decode())


def test_joiners_that_words_are_spelt_with_are_kept() -> None:
    [entry] = parse(f"solana,{SOL},token,,,می\u200cخواهم 👩\u200d💻").entries
    assert entry.note == "می\u200cخواهم 👩\u200d💻"


@pytest.mark.parametrize("sequence", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5\x80\x80\x80"])
def test_bytes_that_are_no_utf_8_cost_their_row(sequence: bytes) -> None:
    content = b"\n".join([HEADER.encode(), GOOD.encode() + sequence, f"solana,{POOL},pool,,,".encode()])
    found = parse_watchlist(content, "my.csv", UNIVERSE)
    assert [(bad.line, bad.problem) for bad in found.bad] == [(2, "note is no UTF-8")]
    assert found.bad[0].row.isprintable()
    assert [entry.line for entry in found.entries] == [3]


@pytest.mark.parametrize(
    ("text", "value"), [("", "0"), ("0", "0"), ("0.000001", "0.000001"), ("1000000000", "1000000000")]
)
def test_a_bound_is_exact(text: str, value: str) -> None:
    [entry] = parse(f"solana,{SOL},token,,{text},").entries
    assert str(entry.min_trade_usd) == value


@pytest.mark.parametrize(
    "text",
    [
        "-1",
        "+1",
        "NaN",
        "Infinity",
        "1e3",
        "1000000000.01",
        "9" * 30,
        "0x10",
        "1_000",
        "$5",
        ".5",
        "5.",
        "٣",
        "1 0",
        "--",
    ],
)
def test_what_is_no_plain_number_within_bounds_is_no_bound(text: str) -> None:
    assert only_problem(f"solana,{SOL},token,,{text},").problem == (
        f"min_trade_usd is '{text}'; expected a plain number from 0 to 1,000,000,000"
    )


def test_other_chains_keep_their_forms_and_a_uniswap_v4_pool_has_an_id() -> None:
    pool_id = "0x" + "aB" * 32
    found = parse(f"eth,{pool_id},pool,,,", "sui-network,0x2::sui::SUI,token,,,", f"solana,{'1' * 32},token,,,")
    assert [(entry.network, entry.address) for entry in found.entries] == [
        ("ethereum", pool_id.lower()),
        ("sui", "0x2::sui::SUI"),
        ("solana", "1" * 32),
    ]


def test_of_equal_addresses_the_first_good_one_counts() -> None:
    found = parse(
        f"eth,{WETH},coin,,,",
        f"ethereum,{WETH},token,A,,",
        f"eth,{WETH.lower()},pool,B,,",
        GOOD,
        f"eth,{WETH},token,C,,",
    )
    assert [entry.line for entry in found.entries] == [3, 5]
    assert [(bad.line, bad.problem.split(" stands ")[-1]) for bad in found.bad[1:]] == [
        (4, "in line 3 already"),
        (6, "in line 3 already"),
    ]


def test_an_open_quote_costs_its_line_even_where_many_follow() -> None:
    rows = [f"ethereum,0x{number:040x},token,,," for number in range(3 * MAX_ROW_LINES)]
    for last in ((), ('solana,"',)):  # never closed, or far below by chance
        found = parse(f'solana,{SOL},token,"SOL,,', *rows, *last)
        assert len(found.entries) == len(rows)
        assert [bad.line for bad in found.bad] == [2, 63][: 1 + len(last)]


def test_what_is_hidden_in_a_quoted_cell_is_no_row() -> None:
    found = parse(f'solana,{POOL},pool,,,"see below', f"solana,{SOL},token,,,", 'and above"')
    assert not found.entries
    assert [bad.line for bad in found.bad] == [2]


def test_a_thousand_rows_load_but_for_the_hundred_bad_ones() -> None:
    rows = [f"ethereum,0x{number:040x},{'token' if number % 10 else 'coin'},,," for number in range(1000)]
    found = parse(*rows)
    assert len(found.entries) == 900
    assert [bad.line for bad in found.bad] == list(range(2, 1002, 10))


def test_a_shown_row_is_short_whatever_it_holds() -> None:
    for char in ("\x1b", "x", '"', "\U000e0041"):
        assert len(only_problem(char * 5000).row) <= 200


def test_a_file_of_too_many_rows_or_bytes_is_refused_whole(tmp_path: Path) -> None:
    rows = [f"ethereum,0x{number:040x},token,,," for number in range(MAX_ROWS)]
    assert len(parse(*rows, "# not a row").entries) == MAX_ROWS
    with pytest.raises(WatchlistError, match="more than 10000 rows"):
        parse(*rows, "x")
    huge = tmp_path / "huge.csv"
    huge.write_bytes(HEADER.encode() + b"\n" * MAX_FILE_BYTES)
    with pytest.raises(WatchlistError, match=r"huge\.csv is larger than 1000000 bytes"):
        read_watchlist(huge, UNIVERSE)


def test_what_is_no_readable_file_is_refused_by_name(tmp_path: Path) -> None:
    pipe, utf_16 = tmp_path / "pipe.csv", tmp_path / "utf_16.csv"
    os.mkfifo(pipe)
    utf_16.write_text(HEADER, encoding="utf-16")
    for path in (
        tmp_path,
        pipe,
        utf_16,
        tmp_path / "absent\x1b.csv",
        tmp_path / "nul\x00.csv",
        tmp_path / ("x" * 5000),
    ):
        with pytest.raises(WatchlistError) as caught:
            read_watchlist(path, UNIVERSE)
        assert printable(path.name) in caught.value.problem
        assert str(caught.value).isprintable()
        assert caught.value.way_out


def test_base58_is_read_as_its_definition_says() -> None:
    assert base58_bytes("") == b""
    assert base58_bytes("11") == b"\x00\x00"
    assert base58_bytes("2NEpo7TZRRrLZSi2U") == b"Hello World!"  # the example of the base58 draft
    assert base58_bytes(SOL)[:2] == b"\x06\x9b"
    with pytest.raises(ValueError, match="substring not found"):
        base58_bytes("0")


cells = st.one_of(
    st.sampled_from(
        ["solana", "eth", "sui", "pool", "token", SOL, POOL, WETH, "0x2::sui::SUI", "", "5", "1.5", "SOL", '"']
    ),
    st.text(max_size=12),
)
files = st.one_of(
    st.binary(max_size=300),
    st.binary(max_size=300).map(lambda tail: f"{HEADER}\n".encode() + tail),
    st.lists(st.lists(cells, min_size=5, max_size=7).map(",".join), max_size=8).map(
        lambda rows: "\n".join([HEADER, *rows]).encode(errors="surrogatepass")
    ),
    st.lists(
        st.tuples(
            st.sampled_from(["solana", "ethereum", "eth", "sui"]),
            st.sampled_from([SOL, POOL, WETH, "0x" + "ab" * 32, "0x2::sui::SUI"]),
            st.sampled_from(["pool", "token"]),
            cells,
            st.decimals(0, 10**9, places=6, allow_nan=False).map(lambda value: f"{value:f}"),
            st.text(max_size=20),
        ).map(lambda row: ",".join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row)),
        max_size=8,
    ).map(lambda rows: "\r\n".join([HEADER, *rows]).encode(errors="surrogatepass")),
)  # fmt: skip


@given(files)
def test_any_bytes_are_read_or_refused_and_every_good_row_round_trips(content: bytes) -> None:
    said = ""
    try:
        found = parse_watchlist(content, "any.csv", UNIVERSE)
    except WatchlistError as error:
        found, said = Watchlist((), (), ""), str(error)
    assert printable(said) == said
    lines = [one.line for one in found.entries] + [one.line for one in found.bad]
    assert len(lines) == len(set(lines))
    assert all(1 < line <= content.count(b"\n") + 1 for line in lines)
    for bad in found.bad:
        assert printable(bad.row) == bad.row
        assert printable(bad.problem) == bad.problem
        assert len(bad.row) <= 200
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(COLUMNS)
    for one in found.entries:
        writer.writerow([one.network, one.address, one.address_type, one.symbol, f"{one.min_trade_usd:f}", one.note])
    again = parse_watchlist(written.getvalue().encode(), "again.csv", UNIVERSE)
    assert not again.bad
    assert [_without_line(one) for one in again.entries] == [_without_line(one) for one in found.entries]


def _without_line(entry: WatchedAddress) -> tuple[object, ...]:
    return (entry.network, entry.address, entry.address_type, entry.symbol, entry.min_trade_usd, entry.note)

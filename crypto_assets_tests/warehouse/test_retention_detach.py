"""A partition that is archived is in a proved file before it is gone, whatever happens on the way, and comes back as it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_assets.datasets.market.book_ticker_snapshots.table import book_ticker_snapshots
from crypto_assets.datasets.market.order_books.table import order_books
from crypto_assets.universe_operations import TableRetention
from crypto_assets.warehouse import detach as detaching
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.detach import carry_out, detach, finish_detached
from crypto_assets.warehouse.detach_file import Archive, ArchiveUnavailable, FileDamaged, FileMark, file_name
from crypto_assets.warehouse.detach_restore import NothingArchived, restore, start_of
from crypto_assets.warehouse.detach_rows import Rows
from crypto_assets.warehouse.detached import Entry, SpanAway, away, entries, refuse_away
from crypto_assets.warehouse.retention import Partition, partitions_of, plan
from crypto_assets_tests.datasets.market.book_ticker_hours.quotes import Second, at, every_second, held, put_quotes

QUOTES = book_ticker_snapshots.fullname
ALL = "SELECT * FROM market.book_ticker_snapshots ORDER BY venue, symbol, snapshot_at"
HASH = (
    "SELECT sum(hashtextextended(ROW(venue, symbol, snapshot_at, bid_price, bid_quantity, ask_price, ask_quantity, event_at,"
    " received_at, age_ms, is_stale, source, known_at, ingested_at)::text, 0))::text FROM market.book_ticker_snapshots"
)
OLD = Second(at("2026-03-02 10:00"), bid="0.000000010000", bids="123456789012345678901234567890.1")
NOW = at("2026-03-10 03:30")
BOOK = (
    "INSERT INTO market.order_books (venue, symbol, snapshot_at, depth, bids, asks, mid, microprice, spread_bps, imbalance,"
    " bid_depth_quote, ask_depth_quote, bid_depth_10bps_quote, ask_depth_10bps_quote, bid_depth_50bps_quote,"
    " ask_depth_50bps_quote, sequence, source, known_at)"
    " SELECT 'gate', E'\\u00c9''\"\\\\', '2024-02-29T00:00Z'::timestamptz + n * interval '1 hour', 2, '{{1.10,2},{1.0,3e-12}}',"
    " '{}', 0.1 + n / 3.0, 'NaN', '-Infinity', 1e-320, 0, '-0', 1, 2, 3, 4, nullif(n, 7), E'tab\\t\\n', now()"
    " FROM generate_series(1, 40) AS n RETURNING 1"
)


class Killed(BaseException):
    """What a kill does to a process, as near as one process can come to it: nothing after it runs, but what rolls back."""


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(str(tmp_path / "archive"), "sandbox")


@pytest.fixture
def stored(shared_warehouse: Warehouse) -> Warehouse:
    """The module's database with three hundred old quotes of two markets and no entries."""
    held(shared_warehouse, "DELETE FROM ops.archived_partitions RETURNING 1")
    for (name,) in held(
        shared_warehouse, "SELECT relname FROM pg_class WHERE relname ~ '^book_ticker_snapshots_' AND relkind = 'r'"
    ):
        held(shared_warehouse, f"DROP TABLE market.{name}; SELECT 1")
    ether = replace(OLD, symbol="ETH/USDT", is_stale=True)
    put_quotes(shared_warehouse, [*every_second(OLD.at, 200, OLD), *every_second(OLD.at, 100, ether)])
    return shared_warehouse


def _old(warehouse: Warehouse) -> Partition:
    return next(one for one in partitions_of(warehouse, book_ticker_snapshots) if one.label == "2026-03-02")


def _outcomes(warehouse: Warehouse) -> list[tuple[int, str]]:
    return [(one.number, one.outcome) for one in entries(warehouse, QUOTES)]


def _files(tmp_path: Path) -> list[str]:
    return sorted(
        str(one.relative_to(tmp_path / "archive")) for one in (tmp_path / "archive").rglob("*") if one.is_file()
    )


def test_an_archived_day_is_a_file_that_says_what_it_is_and_comes_back_as_it_was(
    stored: Warehouse, archive: Archive, tmp_path: Path
) -> None:
    before, old = held(stored, ALL), _old(stored)
    policy = {QUOTES: TableRetention(keep_days=7)}
    [done] = carry_out(stored, plan(stored, [book_ticker_snapshots], policy, NOW), archive, pytest.fail)
    assert (done.then, done.goes, done.freed) == ("detach", True, old.size)
    assert held(stored, ALL) == []
    assert partitions_of(stored, book_ticker_snapshots) == []
    [entry] = entries(stored, QUOTES)
    assert (entry.outcome, entry.rows, entry.span, entry.table_bytes) == ("archived", 300, old.span, old.size)
    [name] = _files(tmp_path)
    assert name == f"sandbox/{entry.file}"
    table = pq.read_table(tmp_path / "archive" / name)
    assert table.column("bid_price").to_pylist()[0] == "0.000000010000"
    assert table.schema.field("bid_price").metadata == {
        b"postgresql_type": b"numeric", b"meaning": b"Best bid [quote currency]"
    }  # fmt: skip
    assert "spread" not in table.column_names  # computed again
    keys = list(zip(*(table.column(one).to_pylist() for one in ("venue", "symbol", "snapshot_at")), strict=True))
    assert keys == sorted(keys)
    assert pq.ParquetFile(tmp_path / "archive" / name).metadata.row_group(0).column(0).compression == "ZSTD"
    told = pq.read_schema(tmp_path / "archive" / name).metadata
    assert (told[b"table"], told[b"rows"], told[b"row_hash"].decode()) == (QUOTES.encode(), b"300", entry.row_hash)

    came = restore(stored, book_ticker_snapshots, "2026-03-02", archive, pytest.fail)
    assert (came.rows, [one.number for one in came.entries]) == (300, [1])
    assert held(stored, ALL) == before
    assert [one.name for one in partitions_of(stored, book_ticker_snapshots)] == [old.name]
    assert held(stored, "SELECT conrelid FROM pg_constraint WHERE conname = 'within_its_span'") == []
    assert restore(stored, book_ticker_snapshots, old.name, archive, pytest.fail).entries == ()
    assert _outcomes(stored) == [(1, "restored")]
    [kept] = plan(stored, [book_ticker_snapshots], policy, datetime.now(OLD.at.tzinfo), restored_days=30)
    assert kept.kept.startswith("restored 20")


def test_exact_numbers_arrays_odd_text_and_no_values_come_back_as_they_were(
    stored: Warehouse, archive: Archive
) -> None:
    held(stored, "SELECT ops.ensure_year_partition('market.order_books', '2024-02-29T00:00Z'), 1")
    held(stored, BOOK)
    every = "SELECT o::text FROM market.order_books AS o ORDER BY snapshot_at"
    before = held(stored, every)
    [year] = [one for one in partitions_of(stored, order_books) if one.label == "2024"]
    assert detach(stored, year, archive, pytest.fail) == year.size
    assert held(stored, every) == []
    assert restore(stored, order_books, "2024", archive, pytest.fail).rows == 40
    assert held(stored, every) == before


STEPS = ("patiently set aside", "finish", "drop aside")


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_loses_nothing_and_the_next_run_goes_on(
    stored: Warehouse, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = held(stored, ALL)
    real = detaching.patiently
    statements = {"patiently set aside": "set_partition_aside", "drop aside": "drop_aside"}

    def patiently(*arguments: object, **others: object) -> object:
        if statements.get(step, "never") in str(arguments[3]):
            raise Killed
        return real(*arguments, **others)  # type: ignore[arg-type]

    def killed(*_arguments: object) -> int:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(detaching, "patiently", patiently)
        if step == "finish":
            patch.setattr(detaching, "_finish", killed)
        with pytest.raises(Killed):
            detach(stored, _old(stored), archive, pytest.fail)
    assert len(_files(tmp_path)) == 1
    if step == "patiently set aside":
        assert held(stored, ALL) == before
        assert _outcomes(stored) == []
        assert detach(stored, _old(stored), archive, pytest.fail) > 0
    else:
        [entry] = entries(stored, QUOTES)
        assert entry.outcome == "detached"
        assert entry.aside is not None
        assert held(stored, ALL.replace("book_ticker_snapshots", entry.aside)) == before
        assert [one.number for one in finish_detached(stored, archive, [book_ticker_snapshots])] == [1]
        assert finish_detached(stored, archive, [book_ticker_snapshots]) == []
    assert _outcomes(stored) == [(1, "archived")]
    assert len(_files(tmp_path)) == 1
    assert restore(stored, book_ticker_snapshots, "2026-03-02", archive, pytest.fail).rows == 300
    assert held(stored, ALL) == before


def test_what_another_process_finished_meanwhile_is_passed_over(
    stored: Warehouse, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry is seen half done, and its process goes on with it while we wait for its lease."""
    real = detaching.lease

    @contextmanager
    def waited_for(warehouse: Warehouse, name: str) -> Iterator[None]:
        monkeypatch.setattr(detaching, "lease", real)
        [done] = finish_detached(warehouse, archive, [book_ticker_snapshots])
        assert done.outcome == "detached"
        with real(warehouse, name):
            yield

    with monkeypatch.context() as patch:
        patch.setattr(detaching, "_finish", lambda *_: 0)
        detach(stored, _old(stored), archive, pytest.fail)
    monkeypatch.setattr(detaching, "lease", waited_for)
    assert finish_detached(stored, archive, [book_ticker_snapshots]) == []
    assert _outcomes(stored) == [(1, "archived")]


def test_a_kill_while_the_file_is_written_leaves_the_day_and_no_file(
    stored: Warehouse, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = held(stored, ALL)

    def moved(*_arguments: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("crypto_assets.warehouse.detach_file._move", moved)
        with pytest.raises(Killed):
            detach(stored, _old(stored), archive, pytest.fail)
    assert held(stored, ALL) == before
    assert _files(tmp_path) == []
    assert _outcomes(stored) == []
    name = file_name(QUOTES, "book_ticker_snapshots_20260302", int(str(held(stored, HASH)[0][0])))
    folder = tmp_path / "archive" / "sandbox" / QUOTES
    (folder / f".{Path(name).name}.0123.part").write_bytes(b"of a process that nothing could clear up after")
    detach(stored, _old(stored), archive, pytest.fail)
    assert _files(tmp_path) == [f"sandbox/{name}"]


def test_a_file_that_lacks_a_row_is_found_out_before_the_day_leaves_its_table(
    stored: Warehouse, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, real = held(stored, ALL), Rows.batches
    monkeypatch.setattr(Rows, "batches", lambda *arguments: (batch.slice(1) for batch in real(*arguments)))
    with pytest.raises(FileDamaged, match=r"gives back 299 rows .* holds 300"):
        detach(stored, _old(stored), archive, pytest.fail)
    assert held(stored, ALL) == before
    assert _files(tmp_path) == []


def test_a_row_that_comes_while_the_file_is_proved_is_in_the_file_that_stays(
    stored: Warehouse, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = detaching.mark_of_file
    late = replace(OLD, at=at("2026-03-02 23:59"), symbol="SOL/USDT")
    came = []

    def mark_of_file(*arguments: object) -> object:
        if not came:
            came.append(late)
            put_quotes(stored, [late])
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(detaching, "mark_of_file", mark_of_file)
    detach(stored, _old(stored), archive, pytest.fail)
    [entry] = entries(stored, QUOTES)
    assert (entry.rows, entry.outcome) == (301, "archived")
    assert _files(tmp_path) == [f"sandbox/{entry.file}"]
    assert restore(stored, book_ticker_snapshots, "2026-03-02", archive, pytest.fail).rows == 301


def test_rows_that_come_after_the_day_went_join_it_and_the_newer_one_of_a_key_stays(
    stored: Warehouse, archive: Archive
) -> None:
    detach(stored, _old(stored), archive, pytest.fail)
    corrected, late = replace(OLD, bid="50"), replace(OLD, at=at("2026-03-02 23:59"))
    put_quotes(stored, [corrected, late])
    assert restore(stored, book_ticker_snapshots, "2026-03-02", archive, pytest.fail).rows == 299
    assert held(
        stored, "SELECT count(*), min(bid_price)::float, max(bid_price)::float FROM market.book_ticker_snapshots"
    ) == [(301, 1e-8, 50)]


def test_a_day_that_went_twice_comes_back_from_both_files(stored: Warehouse, archive: Archive, tmp_path: Path) -> None:
    detach(stored, _old(stored), archive, pytest.fail)
    put_quotes(stored, [replace(OLD, bid="50"), replace(OLD, at=at("2026-03-02 23:59"))])
    detach(stored, _old(stored), archive, pytest.fail)
    assert _outcomes(stored) == [(1, "archived"), (2, "archived")]
    assert len(_files(tmp_path)) == 2
    restore(stored, book_ticker_snapshots, "2026-03-02", archive, pytest.fail)
    assert held(stored, "SELECT count(*), max(bid_price)::float FROM market.book_ticker_snapshots") == [(301, 50)]
    assert _outcomes(stored) == [(1, "restored"), (2, "restored")]


def _spoilt(file: Path) -> None:
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 1
    file.write_bytes(whole)


@pytest.mark.parametrize("spoil", [_spoilt, Path.unlink, lambda file: file.write_bytes(file.read_bytes()[:-9])])
def test_a_file_that_was_altered_cut_short_or_lost_restores_nothing(
    stored: Warehouse, archive: Archive, tmp_path: Path, spoil: object
) -> None:
    detach(stored, _old(stored), archive, pytest.fail)
    [name] = _files(tmp_path)
    assert callable(spoil)
    spoil(tmp_path / "archive" / name)
    with pytest.raises(FileDamaged):
        restore(stored, book_ticker_snapshots, "2026-03-02", archive, pytest.fail)
    assert _outcomes(stored) == [(1, "archived")]
    assert held(stored, ALL) == []


def test_a_file_that_is_lost_before_the_rows_are_dropped_is_written_again(
    stored: Warehouse, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(detaching, "_finish", lambda *_: 0)
        detach(stored, _old(stored), archive, pytest.fail)
    [name] = _files(tmp_path)
    (tmp_path / "archive" / name).unlink()
    finish_detached(stored, archive, [book_ticker_snapshots])
    assert _files(tmp_path) == [name]
    assert restore(stored, book_ticker_snapshots, "2026-03-02", archive, pytest.fail).rows == 300


def test_a_place_that_cannot_be_written_leaves_the_day_and_shows_no_password(stored: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArchiveUnavailable, match=r"Not a directory|File exists"):
        detach(stored, _old(stored), Archive(str(tmp_path / "file" / "x"), "live"), pytest.fail)
    with pytest.raises(ArchiveUnavailable) as caught:
        detach(stored, _old(stored), Archive("nosuch://user:s3cret@host/x", "live"), pytest.fail)
    assert "s3cret" not in str(caught.value)
    assert len(held(stored, ALL)) == 300


def test_what_was_never_archived_or_was_dropped_is_said_to_be_so(stored: Warehouse, archive: Archive) -> None:
    with pytest.raises(NothingArchived, match=r"2026-03-02 of market\.book_ticker_snapshots is not in the archive"):
        restore(stored, book_ticker_snapshots, "2026-03-02", archive)
    held(stored, "SELECT ops.drop_partition('market.book_ticker_snapshots', '2026-03-02Z', '2026-03-03Z')")
    with pytest.raises(NothingArchived, match="was dropped, and no file holds its rows"):
        restore(stored, book_ticker_snapshots, "2026-03-02", archive)


@given(text=st.text(max_size=80))
def test_no_text_names_a_partition_by_accident(text: str) -> None:
    known = [
        Entry("market.trades", at("2024-01-01 00:00"), 1, at("2025-01-01 00:00"), "trades_2024", "archived", None, 1, 1,
              "f", 1, "s", "1", NOW, None)
    ]  # fmt: skip
    assert (start_of(text, known) is not None) == (text in {"2024", "trades_2024"})
    assert start_of("2024-01-01", known) is None


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "market.x/../../y-0123456789ab.parquet", "/abs", "market.x/y.parquet"]
)
def test_a_file_name_from_anywhere_else_is_refused(archive: Archive, name: str) -> None:
    with pytest.raises(FileDamaged, match="No file of an archive"):
        archive.check(FileMark(name, 1, "0"))


def test_whoever_asks_for_a_span_that_is_away_is_told_where_it_is(stored: Warehouse, archive: Archive) -> None:
    detach(stored, _old(stored), archive, pytest.fail)
    day = (at("2026-03-02 00:00"), at("2026-03-03 00:00"))
    with stored.connect() as connection:
        [found] = away(connection, [QUOTES], (at("2026-03-02 23:00"), at("2026-03-04 00:00")))
        assert (found.span, found.state) == (day, "archived")
        with pytest.raises(SpanAway, match=r"book_ticker_snapshots of 2026-03-02 was archived") as caught:
            refuse_away(connection, [QUOTES], (at("2026-03-01 00:00"), at("2026-03-09 00:00")))
        assert "crypto-assets retention restore market.book_ticker_snapshots 2026-03-02" in caught.value.way_out
        refuse_away(connection, [QUOTES], (day[1], at("2026-03-09 00:00")))
    restore(stored, book_ticker_snapshots, "2026-03-02", archive, pytest.fail)
    with stored.connect() as connection:
        assert away(connection, [QUOTES]) == []


def test_the_writer_role_may_archive_and_restore(stored: Warehouse) -> None:
    with stored.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET ROLE crypto_assets_writer")
        day = "'market.book_ticker_snapshots', '2026-03-02Z'"
        cursor.execute(f"SELECT ops.set_partition_aside({day}, '2026-03-03Z', 'f', 1, 's', 300, '7')")
        assert cursor.fetchone() == (1,)
        cursor.execute(f"SELECT ops.drop_aside({day}, 1) > 0")
        assert cursor.fetchone() == (True,)
        cursor.execute(f"SELECT ops.begin_restore({day})")
        assert cursor.fetchone() == ("market.book_ticker_snapshots_20260302_restoring",)
        cursor.execute("INSERT INTO market.book_ticker_snapshots_20260302_restoring (venue) SELECT 'x' WHERE false")
        cursor.execute(f"SELECT ops.end_restore({day})")
        assert cursor.fetchone() == (300,)

"""Rows as files: the same rows, cut as told, written again just where they have changed."""

import csv
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.datasets.market.trades.table import trades
from crypto_assets.exports import pieces
from crypto_assets.exports.catalog import exported
from crypto_assets.exports.contents import contents
from crypto_assets.exports.export import export
from crypto_assets.exports.manifest import ManifestUnusable, read_manifest
from crypto_assets.exports.place import Place
from crypto_assets.exports.selection import Selection
from crypto_assets.exports.writers import FileFormat
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.lease import LeaseTaken, lease
from crypto_assets.warehouse.read import read_arrow, read_frame, reading
from crypto_assets_tests.exports.stage import does, outcomes, put_trades, run, target
from crypto_assets_tests.markets import START, store, walk, without

COUNT = 60 * 24  # hours: January, and February but for its last day
JANUARY, FEBRUARY = (f"venue=binance/month=2024-0{number}/part.parquet" for number in (1, 2))
OTHER = "venue=kraken/month=2024-01/part.parquet"
GAPS = """
INSERT INTO quality.coverage (dataset, venue, symbol, timeframe, gap_start, gap_end, state, evidence) VALUES
 ('market/ohlcv', 'binance', 'ETH/USDT', '1h', '2024-01-31T20:00Z', '2024-02-01T03:00Z', 'venue_outage', '{"why": "=down"}'),
 ('market/ohlcv', 'binance', 'BTC/USDT', '1h', '2024-01-02T00:00Z', '2024-01-02T01:00Z', 'repaired', '{}'),
 ('market/ohlcv', 'kraken', 'BTC/USDT', '1h', '2024-01-01T00:00Z', '2024-01-01T02:00Z', 'missing', '{}')
"""


@pytest.fixture
def stored(warehouse: Warehouse) -> Warehouse:
    """Two markets of two months on one venue, one of them with an outage over the turn of the month; ten hours on another."""
    store(warehouse, walk(COUNT), "BTC/USDT")
    store(warehouse, without(walk(COUNT, seed=1), (740, 747)), "ETH/USDT")
    store(warehouse, walk(8, start=START + timedelta(hours=2)), "BTC/USDT", venue="kraken")
    does(warehouse, GAPS)
    return warehouse


def _identities(folder: Path) -> dict[str, tuple[int, int]]:
    """Which file of the disk each is: one that is written anew is another."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in folder.rglob("part.*")
    }


def _changed(folder: Path, before: dict[str, tuple[int, int]]) -> set[str]:
    return {name for name, mark in _identities(folder).items() if before.get(name) != mark}


def _database(warehouse: Warehouse) -> pa.Table:
    keys = list(ohlcv.primary_key.columns)
    return read_arrow(warehouse, select(*ohlcv.c).order_by(*keys))


def test_files_hold_the_stored_rows_sorted_with_units_beside_the_ledger(stored: Warehouse, tmp_path: Path) -> None:
    report = run(stored, "bars", tmp_path)
    assert outcomes(report) == dict.fromkeys([JANUARY, FEBRUARY, OTHER], "written")
    folder = tmp_path / "parquet" / "bars"
    hive = ds.dataset(folder, partitioning="hive").to_table()
    hive = hive.drop_columns(["month"]).select(ohlcv.c.keys())
    assert hive.sort_by([(name, "ascending") for name in ("venue", "symbol", "timeframe", "opened_at")]).equals(
        _database(stored).cast(hive.schema)
    )
    one = pq.ParquetFile(folder / JANUARY)
    rows = one.read()
    assert rows.num_rows == 2 * 744 - 4
    frame = rows.to_pandas()
    assert frame.equals(frame.sort_values(["symbol", "timeframe", "opened_at"], ignore_index=True))
    assert rows.schema.field("close").metadata[b"unit"] == b"quote currency"
    assert rows.schema.field("close").metadata[b"meaning"] == b"Price of the last trade"
    assert (rows.schema.metadata[b"venue"], rows.schema.metadata[b"dataset"]) == (b"binance", b"bars")
    chunk = one.metadata.row_group(0).column(rows.schema.get_field_index("opened_at"))
    assert chunk.compression == "ZSTD"
    assert chunk.statistics.min == datetime(2024, 1, 1, tzinfo=UTC)
    frames = pd.read_parquet(folder)  # what a reader does who has never heard of the manifest
    assert len(frames) == 2 * COUNT - 7 + 8
    manifest = read_manifest(Place(str(folder)))
    assert manifest is not None
    assert {name: dict(entry.holes) for name, entry in manifest.files.items()} == {
        JANUARY: {"venue_outage": 4}, FEBRUARY: {"venue_outage": 3}, OTHER: {"missing": 2}
    }  # fmt: skip
    assert report.totals["rows"] == 2 * COUNT - 7 + 8
    assert report.totals["holes"] == {"missing": 2, "venue_outage": 7}
    ledger = pd.read_parquet(tmp_path / "parquet" / "coverage" / "dataset=market%2Fohlcv" / "part.parquet")
    assert sorted(ledger["state"]) == ["missing", "repaired", "venue_outage"]


def test_only_what_has_changed_is_written_again(stored: Warehouse, tmp_path: Path) -> None:
    run(stored, "bars", tmp_path)
    folder = tmp_path / "parquet" / "bars"
    before, manifest = _identities(folder), (folder / "_manifest.json").read_bytes()
    assert set(outcomes(run(stored, "bars", tmp_path)).values()) == {"unchanged"}
    assert _changed(folder, before) == set()
    assert (folder / "_manifest.json").read_bytes() == manifest
    store(stored, walk(COUNT), "BTC/USDT")  # the same bars, told again
    assert set(outcomes(run(stored, "bars", tmp_path)).values()) == {"unchanged"}
    revised = walk(1, seed=9, start=START + timedelta(days=40), price=7.0)
    store(stored, revised, "ETH/USDT")  # as late as a revision can be, with an age no newer than others'
    assert outcomes(run(stored, "bars", tmp_path))[FEBRUARY] == "written"
    assert _changed(folder, before) == {FEBRUARY}
    assert float(revised.close[0]) in pq.read_table(folder / FEBRUARY)["close"].to_pylist()
    before = _identities(folder)
    does(
        stored, "DELETE FROM market.ohlcv WHERE symbol = 'BTC/USDT' AND opened_at = '2024-01-05' AND venue = 'binance'"
    )
    store(stored, walk(1, start=START + timedelta(hours=740)), "ETH/USDT")  # one went, one came: the count is the same
    run(stored, "bars", tmp_path)
    assert _changed(folder, before) == {JANUARY}


def test_an_older_row_that_is_committed_late_is_noticed(stored: Warehouse, tmp_path: Path) -> None:
    run(stored, "bars", tmp_path)
    # A transaction that began before the newest row was stored and ended after: count and newest moment stay as they were.
    does(
        stored,
        "UPDATE market.ohlcv SET close = 5, ingested_at = ingested_at - interval '1 minute'"
        " WHERE venue = 'kraken' AND opened_at = '2024-01-01T05:00Z'",
    )
    assert outcomes(run(stored, "bars", tmp_path))[OTHER] == "written"


def test_a_file_that_was_lost_or_cut_is_written_again(stored: Warehouse, tmp_path: Path) -> None:
    run(stored, "bars", tmp_path)
    folder = tmp_path / "parquet" / "bars"
    (folder / JANUARY).unlink()
    (folder / FEBRUARY).write_bytes((folder / FEBRUARY).read_bytes()[:-1])
    told = outcomes(run(stored, "bars", tmp_path))
    assert [told[name] for name in (JANUARY, FEBRUARY, OTHER)] == ["written", "written", "unchanged"]


def test_what_the_database_lost_stays_and_is_named_until_it_is_pruned(stored: Warehouse, tmp_path: Path) -> None:
    run(stored, "bars", tmp_path)
    does(stored, "DELETE FROM market.ohlcv WHERE venue = 'kraken'")
    folder = tmp_path / "parquet" / "bars"
    for _ in range(2):
        assert outcomes(run(stored, "bars", tmp_path))[OTHER] == "gone from the database, kept"
    manifest = read_manifest(Place(str(folder)))
    assert manifest is not None
    assert manifest.files[OTHER].gone
    chosen = Selection(("binance",))
    assert OTHER not in outcomes(run(stored, "bars", tmp_path, selection=chosen, prune=True))
    assert (folder / OTHER).exists()
    assert outcomes(run(stored, "bars", tmp_path, prune=True))[OTHER] == "gone from the database, removed"
    assert not (folder / OTHER).exists()
    assert OTHER not in outcomes(run(stored, "bars", tmp_path))


def test_whole_files_are_chosen_by_venue_and_time_and_rows_by_market(stored: Warehouse, tmp_path: Path) -> None:
    middle = Selection(("binance",), datetime(2024, 1, 20, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))
    assert list(outcomes(run(stored, "bars", tmp_path, selection=middle))) == [JANUARY]
    assert pq.read_metadata(tmp_path / "parquet" / "bars" / JANUARY).num_rows == 2 * 744 - 4
    few = Selection(markets=("ETH/USDT",), columns=("close",))
    with pytest.raises(ManifestUnusable, match="holds an export of markets all, not of ETH/USDT"):
        run(stored, "bars", tmp_path, selection=few)
    run(stored, "bars", tmp_path / "few", selection=few)
    rows = pq.read_table(tmp_path / "few" / "parquet" / "bars" / JANUARY, partitioning=None)
    assert rows.column_names == ["symbol", "timeframe", "opened_at", "close"]
    assert rows["symbol"].unique().to_pylist() == ["ETH/USDT"]


def test_a_folder_holds_one_profile_and_a_strange_manifest_is_left_alone(stored: Warehouse, tmp_path: Path) -> None:
    run(stored, "bars", tmp_path)
    with pytest.raises(ManifestUnusable, match="profile sandbox, not of live"):
        export(stored, exported("bars"), Selection(), replace(target(tmp_path), profile="live"))
    path = tmp_path / "parquet" / "bars" / "_manifest.json"
    for strange in (b"", b"[]", b'{"format": 2}', path.read_bytes().replace(b'"rows": 8', b'"rows": -8')):
        path.write_bytes(strange)
        with pytest.raises(ManifestUnusable, match="is no manifest of an export"):
            run(stored, "bars", tmp_path)
        assert path.read_bytes() == strange


def test_an_interrupted_export_leaves_whole_files_and_the_next_one_resumes(
    stored: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(stored, "bars", tmp_path)
    folder = tmp_path / "parquet" / "bars"
    older = {name: (folder / name).read_bytes() for name in (JANUARY, FEBRUARY)}
    does(stored, "UPDATE market.ohlcv SET ingested_at = now() + interval '1 hour' WHERE venue = 'binance'")

    def stop(doing: str, _done: int, _of: int) -> None:
        if FEBRUARY in doing:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(stored, exported("bars"), Selection(), target(tmp_path), stop)
    assert (folder / FEBRUARY).read_bytes() == older[FEBRUARY]
    assert (folder / JANUARY).read_bytes() != older[JANUARY]
    assert not list(folder.rglob(".*"))
    told = outcomes(run(stored, "bars", tmp_path))
    assert [told[name] for name in (JANUARY, FEBRUARY, OTHER)] == ["unchanged", "written", "unchanged"]


def test_two_exports_to_one_place_at_the_same_time_are_refused_or_wait(stored: Warehouse, tmp_path: Path) -> None:
    refused, waits = target(tmp_path), replace(target(tmp_path), wait=True)
    with ThreadPoolExecutor(2) as threads, lease(stored, f"export {tmp_path}/parquet/bars"):
        tries = [threads.submit(export, stored, exported("bars"), Selection(), how) for how in (refused, waits)]
        with pytest.raises(LeaseTaken):
            tries[0].result(30)
        assert set(outcomes(run(stored, "bars", tmp_path / "other")).values()) == {"written"}
        assert not tries[1].done()
    assert set(outcomes(tries[1].result(30)).values()) == {"written"}


def test_the_same_rows_in_every_format_every_digit_kept(warehouse: Warehouse, tmp_path: Path) -> None:
    at = datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC)
    small = "0.00000000000000000001"  # twenty decimals: as many as a column has
    rows = [(at, "=1+1", small, "123456789012345678.5"), (at + timedelta(microseconds=1), "b", "2.50", "3")]
    put_trades(warehouse, rows)
    for kind in (FileFormat.PARQUET, FileFormat.ARROW, FileFormat.CSV):
        names = list(outcomes(run(warehouse, "trades", tmp_path, kind)))
        days = ["month=2024-02/day=2024-02-29", "month=2024-03/day=2024-03-01"]
        assert names == [f"venue=okx/{day}/part.{kind.value}" for day in days]
        path = tmp_path / kind.value / "trades" / names[0]
        if kind is FileFormat.CSV:
            [told] = csv.DictReader(path.read_text().splitlines())
            assert list(told) == trades.c.keys()
            assert (told["venue"], told["trade_id"], told["price"]) == ("okx", "'=1+1", small)
            assert told["traded_at"] == "2024-02-29T23:59:59.999999Z"
            continue
        table = (
            pq.read_table(path, partitioning=None) if kind is FileFormat.PARQUET else pa.ipc.open_file(path).read_all()
        )
        [told] = table.to_pylist()
        assert (told["price"], told["amount"]) == (Decimal(small), Decimal("123456789012345678.5"))
        assert told["traded_at"] == at


def test_amounts_and_prices_of_tokens_keep_every_digit(warehouse: Warehouse, tmp_path: Path) -> None:
    price, amount = "0.00000000000000000001234567890123456789", "123456789012345678901234567890.123456789012345678"
    does(warehouse, "SELECT ops.ensure_year_partition('dex.pool_trades', '2024-01-01T00:00Z')")
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO dex.pool_trades (network, pool_address, traded_at, tx_hash, ordinal, block_number, side,"
            " price_usd, amount_base, amount_quote, volume_usd, sender, source, known_at)"
            " VALUES ('solana', 'p', '2024-01-01T00:00Z', 't', 1, 1, 'buy', %s, %s, 1, 1, 's', 'test', now())",
            (price, amount),
        )
    [name] = outcomes(run(warehouse, "pool_trades", tmp_path))
    assert name == "network=solana/month=2024-01/day=2024-01-01/part.parquet"
    told = pd.read_parquet(tmp_path / "parquet" / "pool_trades" / name, partitioning=None)
    assert told.loc[0, ["price_usd", "amount_base"]].tolist() == [Decimal(price), Decimal(amount)]


def test_a_number_of_more_digits_is_not_rounded_and_the_other_files_are_written(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    first = datetime(2024, 3, 1, tzinfo=UTC)
    put_trades(warehouse, [(first, "a", f"0.{'0' * 20}1", "1"), (first + timedelta(days=1), "b", "1", "1")])
    report = run(warehouse, "trades", tmp_path)
    failed, written = report.files
    assert (failed.outcome.value, written.outcome.value) == ("failed", "written")
    assert "market.trades.price does not fit decimal128(38, 20)" in failed.why
    assert not (tmp_path / "parquet" / "trades" / failed.name).exists()
    assert {one.outcome.value for one in run(warehouse, "trades", tmp_path, FileFormat.CSV).files} == {"written"}


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of a hundred rows, so that days and markets are cut."""
    monkeypatch.setattr(pieces, "LEAST_ROWS", 100)
    monkeypatch.setattr(pieces, "MOST_VALUES", 100)


@pytest.mark.usefixtures("small_pieces")
def test_pieces_are_all_rows_once_in_the_order_of_the_key(stored: Warehouse, tmp_path: Path) -> None:
    first = datetime(2024, 3, 1, tzinfo=UTC)
    for symbol, count in (("AAA/USDT", 350), ("BBB/USDT", 30), ("CCC/USDT", 60)):
        put_trades(
            stored, [(first + timedelta(minutes=4 * n), f"{n:04}", "1", "1") for n in range(count)], symbol=symbol
        )
    for name, most in (("trades", 7), ("bars", 4)):
        one = exported(name)
        with reading(stored) as reader:
            for content in contents(reader, one, Selection()):
                statements = list(pieces.pieces(one, content, Selection()))
                read = [reader.arrow(statement) for statement in statements]
                condition = one.table.c[one.domain] == content.partition.domain
                start, end = content.partition.span(one.cut) or (first, first)
                time = one.table.c[one.time]
                whole = select(*one.table.c).where(condition, time >= start, time < end)
                assert pa.concat_tables(read).equals(reader.arrow(whole.order_by(*one.table.primary_key.columns)))
                assert len(statements) <= most
                if name == "trades":
                    assert len(statements) == 5  # the parts of the large market's day, and the small markets together
                    assert max(len(part) for part in read) <= 100
    run(stored, "trades", tmp_path)
    [file] = (tmp_path / "parquet" / "trades").rglob("part.parquet")
    assert pq.read_metadata(file).num_rows == 440


def test_what_happens_once_for_all_has_folders_of_its_own_or_none(warehouse: Warehouse, tmp_path: Path) -> None:
    does(
        warehouse,
        "INSERT INTO sentiment.fear_greed (observed_on, value, classification, source, known_at)"
        " VALUES ('2024-01-02', 40, 'Fear', 'test', now());"
        "INSERT INTO onchain.metrics (asset, metric, observed_on, value, unit, source, known_at)"
        " VALUES ('BTC', 'fees', '2024-01-01', 2, 'USD', 'test', now()), ('ETH', 'fees', '2024-01-01', 1, 'USD', 't', now())",
    )
    assert list(outcomes(run(warehouse, "fear_greed", tmp_path))) == ["part.parquet"]
    assert list(outcomes(run(warehouse, "onchain", tmp_path))) == ["asset=BTC/part.parquet", "asset=ETH/part.parquet"]
    [row] = pq.read_table(tmp_path / "parquet" / "fear_greed" / "part.parquet").to_pylist()
    assert (row["observed_on"], row["value"]) == (date(2024, 1, 2), 40)
    assert outcomes(run(warehouse, "news", tmp_path)) == {}
    assert not (tmp_path / "parquet" / "news").exists()


def test_to_an_address_of_fsspec_as_to_a_folder(stored: Warehouse) -> None:
    there = replace(target(Path()), place=Place("memory://exports-rows"))
    for outcome in ("written", "unchanged"):
        report = export(stored, exported("bars"), Selection(), there)
        assert outcomes(report) == dict.fromkeys([JANUARY, FEBRUARY, OTHER], outcome)
    assert there.folder(exported("bars")).mark(JANUARY) is not None


def test_frames_are_what_read_frame_gives(stored: Warehouse, tmp_path: Path) -> None:
    run(stored, "bars", tmp_path, selection=Selection(("kraken",)))
    told = pd.read_parquet(tmp_path / "parquet" / "bars" / OTHER, partitioning=None)
    wanted = read_frame(stored, select(*ohlcv.c).where(ohlcv.c.venue == "kraken").order_by(ohlcv.c.opened_at))
    assert told["close"].tolist() == wanted["close"].tolist()
    assert told["opened_at"].tolist() == wanted["opened_at"].tolist()


def test_what_retention_took_away_before_is_named_in_report_and_manifest(stored: Warehouse, tmp_path: Path) -> None:
    assert run(stored, "bars", tmp_path).away == ()
    does(
        stored,
        "INSERT INTO ops.archived_partitions (table_name, starts_at, number, ends_at, partition_name, outcome, table_bytes)"
        " VALUES ('market.ohlcv', '2019-01-01', 1, '2020-01-01', 'ohlcv_2019', 'dropped', 0)",
    )
    report = run(stored, "bars", tmp_path)
    assert report.away == ("market.ohlcv of 2019: Retention dropped these rows.",)
    manifest = read_manifest(Place(report.place))
    assert manifest is not None
    assert manifest.away == report.away

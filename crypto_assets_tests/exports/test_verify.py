"""Files are compared with their manifest and the database: what is altered, lost, behind or gone is told apart."""

from datetime import timedelta
from pathlib import Path

import pytest

from crypto_assets.exports.catalog import exported
from crypto_assets.exports.export import export
from crypto_assets.exports.selection import Selection
from crypto_assets.exports.verify import NothingExported, Verified, verify
from crypto_assets.exports.writers import FileFormat
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.exports.stage import ALL, does, run, target
from crypto_assets_tests.markets import START, store, walk

BARS = exported("bars")


def _problems(found: Verified) -> list[tuple[str, str, int, int]]:
    names = (one.name.removeprefix("venue=binance/").removesuffix("/part.parquet") for one in found.problems)
    return [(name, one.wrong.value, one.rows, one.stored) for name, one in zip(names, found.problems, strict=True)]


@pytest.mark.parametrize("kind", [FileFormat.PARQUET, FileFormat.QLIB], ids=lambda kind: kind.value)
def test_each_kind_of_difference_is_found(warehouse: Warehouse, tmp_path: Path, kind: FileFormat) -> None:
    with pytest.raises(NothingExported, match="holds no export of bars"):
        verify(warehouse, BARS, ALL, target(tmp_path, kind))
    for number, symbol in enumerate(("A/USDT", "B/USDT", "C/USDT", "D/USDT", "E/USDT")):
        # One market a month, so that a file of either format is one market's
        store(warehouse, walk(24, start=START + timedelta(days=31 * number)), symbol)
    run(warehouse, "bars", tmp_path, kind)
    found = verify(warehouse, BARS, ALL, target(tmp_path, kind))
    assert (found.files, found.rows, found.stored, found.gone, found.problems) == (5, 120, 120, 0, ())
    folder = target(tmp_path, kind).folder(BARS).folder
    assert folder is not None
    rows = ("month=2024-01/*.parquet", "month=2024-02/*.parquet")
    fields = ("binance.a_usdt/close.*", "binance.b_usdt/open.*")
    paths = [next(folder.rglob(name)) for name in (rows if kind is FileFormat.PARQUET else fields)]
    content = bytearray(paths[0].read_bytes())
    content[len(content) // 2] ^= 1
    paths[0].write_bytes(content)
    for path in [paths[1]] if kind is FileFormat.PARQUET else paths[1].parent.iterdir():
        path.unlink()
    store(warehouse, walk(2, seed=3, start=START + timedelta(days=62)), "C/USDT")  # corrected
    does(warehouse, "DELETE FROM market.ohlcv WHERE symbol = 'D/USDT'")
    store(warehouse, walk(7, start=START + timedelta(days=31 * 6)), "F/USDT")
    found = verify(warehouse, BARS, ALL, target(tmp_path, kind))
    names = (
        ["month=2024-01", "month=2024-02", "month=2024-03", "month=2024-07"]
        if kind is FileFormat.PARQUET
        else [f"BINANCE.{letter}_USDT/60min" for letter in "ABCF"]
    )
    assert _problems(found) == [
        (names[0], "holds other bytes than were written", 24, 24),
        (names[1], "is missing", 24, 24),
        (names[2], "is behind the database", 24, 24),
        (names[3], "was never written", 0, 7),
    ]
    assert (found.rows, found.stored, found.gone) == (120, 103, 24)
    unread = verify(warehouse, BARS, ALL, target(tmp_path, kind), hashes=False)
    assert [one[1] for one in _problems(unread)] == ["is behind the database", "was never written"]
    assert verify(warehouse, BARS, Selection(("kraken",)), target(tmp_path, kind)).files == 0
    run(warehouse, "bars", tmp_path, kind)
    healed = {one.wrong.value for one in verify(warehouse, BARS, ALL, target(tmp_path, kind)).problems}
    assert healed == {"holds other bytes than were written"}  # of the same size: only reading it tells
    export(warehouse, BARS, ALL, target(tmp_path, kind, anew=True))
    assert not verify(warehouse, BARS, ALL, target(tmp_path, kind)).problems

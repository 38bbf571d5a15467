"""The spill file: order, durability against torn and damaged ends, its bound, whose it is."""

from pathlib import Path

import pytest

from crypto_assets.stream.spill import SpillFile, SpillFull, new_spill, orphans
from crypto_assets.stream.standing import Lines

MEGABYTE = 1_000_000


def lines(at: int) -> Lines:
    return Lines(at, "market.book_ticker_snapshots", 2, b"text of second %d\n" % at)


def drained(file: SpillFile, rows: int = 4) -> list[int]:
    """Seconds, as they are read in pieces; the file is gone after that."""
    seconds: list[int] = []
    while file.size:
        batch, end = file.peek(rows)
        seconds += [one.at for one in batch]
        file.done(end)
    return seconds


def test_what_was_appended_comes_back_in_order_while_more_comes_and_the_file_goes(tmp_path: Path) -> None:
    file = new_spill(tmp_path / "new", 5, MEGABYTE)
    file.append([lines(1), lines(2)])
    file.append([lines(3)])
    batch, end = file.peek(4)
    file.append([lines(4)])
    file.done(end)
    assert [one.at for one in batch] == [1, 2]
    assert batch[0] == lines(1)
    assert drained(file) == [3, 4]
    assert list((tmp_path / "new").iterdir()) == []
    file.append([lines(9)])
    assert drained(file) == [9]


def test_a_file_cut_anywhere_gives_every_whole_record_and_no_other(tmp_path: Path) -> None:
    file = SpillFile(tmp_path / "1.spill", MEGABYTE)
    ends = []
    for at in (1, 2, 3):
        file.append([lines(at)])
        ends.append(file.size)
    file.close()
    whole = (tmp_path / "1.spill").read_bytes()
    for cut in range(len(whole) + 1):
        (tmp_path / "1.spill").write_bytes(whole[:cut])
        (found,) = orphans(tmp_path, MEGABYTE)
        seconds = drained(found)
        assert seconds == [at for at, end in zip((1, 2, 3), ends, strict=True) if end <= cut]
        found.done(found.size)
        assert not (tmp_path / "1.spill").exists()


def test_a_damaged_record_is_passed_over_and_its_file_kept_for_a_look(tmp_path: Path) -> None:
    file = SpillFile(tmp_path / "1.spill", MEGABYTE)
    file.append([lines(at) for at in (1, 2, 3)])
    file.close()
    path = tmp_path / "1.spill"
    path.write_bytes(path.read_bytes().replace(b"second 2", b"second X"))
    (found,) = orphans(tmp_path, MEGABYTE)
    assert drained(found) == [1, 3]
    assert [left.name for left in tmp_path.iterdir()] == ["1.damaged"]


def test_the_bound_is_kept_and_nothing_of_a_batch_that_does_not_fit(tmp_path: Path) -> None:
    file = SpillFile(tmp_path / "1.spill", 150)
    file.append([lines(1)])
    with pytest.raises(SpillFull, match=r"stream\.max_spill_mb"):
        file.append([lines(2), lines(3), lines(4)])
    assert drained(file) == [1]


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(SpillFull, match="Cannot write"):
        new_spill(tmp_path / "taken", 5, MEGABYTE).append([lines(1)])


def test_a_file_that_is_held_is_left_to_its_holder(tmp_path: Path) -> None:
    held = new_spill(tmp_path, 5, MEGABYTE)
    held.append([lines(1)])
    assert orphans(tmp_path, MEGABYTE) == []
    held.close()
    older = SpillFile(tmp_path / "0.spill", MEGABYTE)
    older.append([lines(0)])
    older.close()
    assert [drained(file) for file in orphans(tmp_path, MEGABYTE)] == [[0], [1]]

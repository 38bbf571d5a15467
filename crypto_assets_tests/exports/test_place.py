"""Files take their place whole or not at all, stay in their folder, and addresses keep their secrets."""

from pathlib import Path

import pytest

from crypto_assets.exports.place import Place, PlaceUnusable, default_place, plain


@pytest.mark.parametrize("address", ["folder", "memory://exports-of-tests"])
def test_a_file_is_the_older_one_until_the_newer_is_whole(address: str, tmp_path: Path) -> None:
    place = Place(address if "://" in address else str(tmp_path / address))
    name = "bars/venue=a%2Fb/part.csv"
    assert (place.read(name, 10), place.size(name), place.mark(name)) == (None, None, None)
    place.write(name, b"older")

    def interrupted() -> None:
        with place.new_file(name) as path:
            path.write_bytes(b"half of the new")
            raise KeyboardInterrupt

    def wrong() -> None:
        with place.new_file(name):
            raise ValueError("of the writer's own")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with pytest.raises(ValueError, match="own"):
        wrong()
    assert place.read(name, 10) == b"older"
    written = place.write(name, b"newer!")
    assert (place.read(name, 10), place.size(name), place.mark(name)) == (b"newer!", 6, written)
    with pytest.raises(PlaceUnusable, match="larger than 3 bytes"):
        place.read(name, 3)
    place.remove(name)
    place.remove(name)
    assert place.size(name) is None
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "a//x", "./x", "a\\x", "a\0x", ""])
def test_no_name_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    place = Place(str(tmp_path / "inside"))
    for work in (lambda: place.write(name, b""), lambda: place.read(name, 1), lambda: place.remove(name)):
        with pytest.raises(PlaceUnusable, match="no name of an exported file"):
            work()


def test_a_link_that_leads_out_is_refused_and_values_become_plain_names(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "venue=okx").symlink_to(tmp_path / "outside")
    with pytest.raises(PlaceUnusable, match="leads out of the folder"):
        Place(str(tmp_path / "inside")).write("venue=okx/part.csv", b"x")
    assert list((tmp_path / "outside").iterdir()) == []
    assert plain("../a b\0/é") == "..%2Fa%20b%00%2F%C3%A9"
    with pytest.raises(PlaceUnusable, match="too long"):
        plain("x" * 201)


def test_leftovers_of_killed_writers_are_swept_and_nothing_else(tmp_path: Path) -> None:
    left = tmp_path / "a" / f".part.csv.{'0' * 32}.part"
    left.parent.mkdir()
    others = [tmp_path / "a" / name for name in ("part.csv", ".part", ".mine.part", "x.part")]
    for path in (left, *others):
        path.write_bytes(b"")
    assert Place(str(tmp_path)).sweep() == 1
    assert [path.exists() for path in (left, *others)] == [False, True, True, True, True]


def test_no_secret_of_an_address_is_told(tmp_path: Path) -> None:
    place = default_place("unheard-of://user:hunter2@host/bucket?token=hunter2", "live")
    with pytest.raises(PlaceUnusable) as error:
        place.write("x", b"")
    assert "hunter2" not in f"{error.value} {place} {place!r} {error.value.__cause__}"
    assert str(place).startswith("unheard-of://host/")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PlaceUnusable, match="cannot be written"):
        Place(str(tmp_path / "file")).write("x", b"")

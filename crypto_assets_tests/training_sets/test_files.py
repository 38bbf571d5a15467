"""Hostile names, files and manifests: what is altered, cut off, missing or led elsewhere is refused by name."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import fsspec
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_assets.settings import Settings
from crypto_assets.training_sets import load, writing
from crypto_assets.training_sets.create import create
from crypto_assets.training_sets.loading import open_set
from crypto_assets.training_sets.manifest import Manifest, read_manifest
from crypto_assets.training_sets.place import Shelf
from crypto_assets.training_sets.question import checked_name
from crypto_assets.training_sets.refusals import (
    ManifestRefused,
    PlaceUnavailable,
    SetDamaged,
    SetExists,
    SetRefused,
    SetUnknown,
)
from crypto_assets.training_sets.remove import delete
from crypto_assets.training_sets.verify import verify
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.markets import store, walk
from crypto_assets_tests.training_sets import world

FILE = "binance_2023_1.parquet"
FEW = {"markets": ["BTC/USDT"], "venues": ["binance"], "columns": ["close", "return_1"], "horizons": [1]}


def _make(warehouse: Warehouse, shelf: Shelf, name: str) -> Manifest:
    store(warehouse, walk(400, 1, start=world.START), "BTC/USDT")
    return create(warehouse, world.universe(), shelf, world.asked(name, **FEW))


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../up", "a/b", "/etc/passwd", "a\\b", "-a", "A", "é", "a\n", "a b", ".hidden", "a.b", "x" * 64],
)
def test_a_name_that_could_be_a_path_is_refused(name: str) -> None:
    with pytest.raises(SetRefused, match="cannot be named"):
        checked_name(name)
    with pytest.raises(SetRefused, match="cannot be named"):
        load(name, settings=Settings())


@given(st.text(max_size=80))
def test_every_name_that_is_accepted_is_one_folder(name: str) -> None:
    try:
        checked_name(name)
    except SetRefused:
        return
    assert Path("root", name).resolve().parent == Path("root").resolve()
    assert name == Path(name).name == name.strip().lower()


@pytest.mark.parametrize(
    ("name", "harm", "told"),
    [
        ("cut-off", lambda file: file.write_bytes(file.read_bytes()[:-1]), "SHA-256"),
        ("longer", lambda file: file.write_bytes(file.read_bytes() + b"x"), "has more than"),
        ("altered", lambda file: file.write_bytes(file.read_bytes().replace(b"PAR1", b"PAR2", 1)), "SHA-256"),
        ("missing", lambda file: file.unlink(), "is missing"),
    ],
    ids=["cut off", "longer", "altered", "missing"],
)
def test_a_file_that_is_not_what_was_written_is_named_and_nothing_of_it_is_given(
    shared_warehouse: Warehouse, tmp_path: Path, name: str, harm: Callable[[Path], object], told: str
) -> None:
    shelf = world.shelf(tmp_path)
    _make(shared_warehouse, shelf, name)
    harm(tmp_path / "test" / name / FILE)
    chosen = open_set(shelf, name, shared_warehouse)
    with pytest.raises(SetDamaged, match=told) as refused:
        chosen.frame()
    assert refused.value.file == FILE
    found = verify(shared_warehouse, chosen)
    assert [one.file for one in found.damaged] == [FILE]
    assert (found.state, found.rebuilt_hash) == ("damaged", "")


def test_links_are_not_followed(shared_warehouse: Warehouse, tmp_path: Path) -> None:
    shelf = world.shelf(tmp_path)
    _make(shared_warehouse, shelf, "linked")
    folder = tmp_path / "test" / "linked"
    elsewhere = (folder / FILE).rename(tmp_path / "elsewhere.parquet")
    (folder / FILE).symlink_to(elsewhere)
    with pytest.raises(SetDamaged, match="is a link"):
        open_set(shelf, "linked", shared_warehouse).arrow()
    (folder / FILE).unlink()
    os.mkfifo(folder / FILE)  # which would keep its reader waiting
    with pytest.raises(SetDamaged, match="is missing"):
        open_set(shelf, "linked", shared_warehouse).arrow()
    moved = folder.rename(tmp_path / "whole")
    folder.symlink_to(moved)
    with pytest.raises(SetDamaged, match="lies a link"):
        open_set(shelf, "linked", shared_warehouse)
    # A name that leads elsewhere is taken, whatever it leads to; deleting it takes the link alone.
    (tmp_path / "test" / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(SetExists, match="Something lies in"):
        _make(shared_warehouse, shelf, "dangling")
    assert delete(shared_warehouse, shelf, "dangling") is False
    assert delete(shared_warehouse, shelf, "linked") is True
    assert (moved / "manifest.json").exists()
    assert list((tmp_path / "test").iterdir()) == []


def test_an_altered_manifest_is_refused_by_the_catalogs_hash(shared_warehouse: Warehouse, tmp_path: Path) -> None:
    shelf = world.shelf(tmp_path)
    _make(shared_warehouse, shelf, "manifest")
    file = tmp_path / "test" / "manifest" / "manifest.json"
    said = json.loads(file.read_bytes())
    said["question"]["as_of"] = said["created_at"]
    file.write_text(json.dumps(said))
    with pytest.raises(ManifestRefused, match="Somebody altered it"):
        open_set(shelf, "manifest", shared_warehouse)
    assert open_set(shelf, "manifest").manifest.question.as_of == open_set(shelf, "manifest").manifest.created_at


def test_files_that_hold_something_else_than_their_manifest_says_are_refused(
    shared_warehouse: Warehouse, tmp_path: Path
) -> None:
    """Whoever can alter both manifest and files, where no catalog is asked, gives no rows all the same."""
    shelf = world.shelf(tmp_path)
    _make(shared_warehouse, shelf, "forged")
    folder = tmp_path / "test" / "forged"
    whole = pq.read_table(folder / FILE)
    for other, told in (
        (whole.slice(1), "other rows or columns"),
        (whole.drop_columns(["close"]), "other rows or columns"),
        (None, "is no Parquet of ours"),
    ):
        if other is None:
            (folder / FILE).write_bytes(b"PAR1" + b"\x00" * 100 + b"PAR1")
        else:
            pq.write_table(other, folder / FILE)
        content = (folder / FILE).read_bytes()
        said = json.loads((folder / "manifest.json").read_bytes())
        said["files"][0] |= {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        (folder / "manifest.json").write_text(json.dumps(said))
        with pytest.raises(SetDamaged, match=told):
            open_set(shelf, "forged").arrow()


def _altered(content: bytes, *place: str | int, value: object) -> bytes:
    said = json.loads(content)
    inner = said
    for one in place[:-1]:
        inner = inner[one]
    inner[place[-1]] = value
    return json.dumps(said).encode()


def test_a_manifest_that_names_what_no_set_holds_is_refused(shared_warehouse: Warehouse, tmp_path: Path) -> None:
    content = _make(shared_warehouse, world.shelf(tmp_path), "hostile").content()
    assert read_manifest(content, "hostile").content() == content
    for place, value in (
        (("files", 0, "path"), "/etc/passwd"),
        (("files", 0, "path"), "../other/binance_2023_1.parquet"),
        (("files", 0, "path"), "a/b.parquet"),
        (("files", 0, "bytes"), 10**15),
        (("files", 0, "sha256"), "0"),
        (("files", 1, "path"), FILE),
        (("files", 0, "pieces"), []),
        (("format",), 2),
        (("name",), "another"),
        (("rows",), 7),
        (("markets", 0, "symbol"), "ETH/USDT"),
        (("question", "series"), []),
        (("question", "start"), "2024-01-01"),
        (("more",), 1),
    ):
        with pytest.raises(ManifestRefused):
            read_manifest(_altered(content, *place, value=value), "hostile")
    for other in (b"", b"[]", b"null", b"{", b"[" * 100_000, b"\xff\xfe", content[:-10]):
        with pytest.raises(ManifestRefused):
            read_manifest(other, "hostile")


@settings(max_examples=60)
@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_no_bytes_are_taken_for_a_manifest(content: bytes) -> None:
    with pytest.raises(ManifestRefused):
        read_manifest(content, "any")


def test_an_object_store_keeps_sets_too_and_shows_no_half_of_one(shared_warehouse: Warehouse, tmp_path: Path) -> None:
    shelf, memory = Shelf(f"memory://sets-{tmp_path.name}/test"), fsspec.filesystem("memory")
    folder = f"/sets-{tmp_path.name}/test/far"
    memory.pipe_file(f"{folder}/binance_2022_1.parquet", b"left by a creation that was killed")
    assert not shelf.holds("far")
    made = _make(shared_warehouse, shelf, "far")
    assert sorted(path.rpartition("/")[2] for path in memory.ls(folder, detail=False)) == [
        FILE, "binance_2024_1.parquet", "manifest.json",
    ]  # fmt: skip
    chosen = open_set(shelf, "far", shared_warehouse)
    assert chosen.frame()["close"].notna().sum() == made.rows
    assert verify(shared_warehouse, chosen).state == "verified"
    memory.pipe_file(f"{folder}/{FILE}", b"altered")
    with pytest.raises(SetDamaged, match=FILE):
        chosen.arrow()
    assert delete(shared_warehouse, shelf, "far")
    assert not memory.exists(folder)


def test_large_sets_lie_in_several_files_and_come_in_order(
    shared_warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, symbol in enumerate(("BTC/USDT", "ETH/USDT")):
        store(shared_warehouse, walk(400, number, start=world.START), symbol)
    monkeypatch.setattr(writing, "FILE_BYTES", 1)
    asked = world.asked("split", **{**FEW, "markets": ["ETH/USDT", "BTC/USDT"]})
    made = create(shared_warehouse, world.universe(), world.shelf(tmp_path), asked)
    assert [(file.path, [piece.symbol for piece in file.pieces]) for file in made.files] == [
        ("binance_2023_1.parquet", ["BTC/USDT"]), ("binance_2023_2.parquet", ["ETH/USDT"]),
        ("binance_2024_1.parquet", ["BTC/USDT"]), ("binance_2024_2.parquet", ["ETH/USDT"]),
    ]  # fmt: skip
    chosen = open_set(world.shelf(tmp_path), "split", shared_warehouse)
    rows = chosen.frame(["symbol", "opened_at"])
    assert rows["symbol"].astype("str").tolist() == ["BTC/USDT"] * 400 + ["ETH/USDT"] * 400
    assert all(market["opened_at"].is_monotonic_increasing for _, market in rows.groupby("symbol", observed=True))
    assert verify(shared_warehouse, chosen).state == "verified"


def test_what_is_not_published_is_taken_back(tmp_path: Path) -> None:
    with world.shelf(tmp_path).staging("half") as staging, staging.file("a_1.parquet") as file:
        file.write(b"half")
    assert list((tmp_path / "test").iterdir()) == []


def test_an_address_shows_no_credentials(tmp_path: Path) -> None:
    shelf = Shelf("nosuch://user:p@ss/w0rd@host/sets?key=secret")
    with pytest.raises(PlaceUnavailable) as refused:
        shelf.read("any", "manifest.json", 10)
    assert str(shelf) == "nosuch://host/sets"
    assert not any(secret in str(refused.value) + repr(shelf) for secret in ("w0rd", "secret", "user"))
    (tmp_path / "file").touch()
    with (
        pytest.raises(PlaceUnavailable, match=r"Not a directory|File exists"),
        Shelf(str(tmp_path / "file")).staging("a"),
    ):
        pass


def test_load_reads_by_name_and_chooses(shared_warehouse: Warehouse, tmp_path: Path) -> None:
    known = Settings(home=tmp_path, profile="test", warehouse_url=shared_warehouse.url)
    shelf = Shelf(f"{known.training_place}/test")
    made = _make(shared_warehouse, shelf, "mine")
    chosen = load("mine", settings=known)
    assert chosen.manifest == made
    table = chosen.arrow(["return_1", "symbol"])
    assert (table.column_names, table.num_rows) == (["return_1", "symbol"], 400)
    assert table.field("return_1").metadata[b"unit"] == b"fraction"
    assert table.column("return_1").null_count == 1
    for question, told in (
        ({"columns": ["rsi_14"]}, "has no column rsi_14"),
        ({"symbol": "ETH/USDT"}, "holds nothing of any venue ETH/USDT"),
    ):
        with pytest.raises(SetRefused, match=told):
            chosen.frame(**question)  # type: ignore[arg-type]
    with pytest.raises(SetUnknown, match="No training set is named other"):
        load("other", settings=known)
    without = Settings(home=tmp_path, profile="test")
    assert load("mine", settings=without).manifest == made
    assert load("mine", settings=without, place=str(tmp_path / "training_sets" / "test")).manifest == made
    with pytest.raises(SetUnknown, match="No training set lies in"):
        load("other", settings=without)

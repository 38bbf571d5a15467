"""What a verification finds of a set's files, and that the catalog keeps the worst of it, too."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from crypto_assets.schema.training_sets import SetState
from crypto_assets.training_sets.catalog import listed, mark
from crypto_assets.training_sets.create import create
from crypto_assets.training_sets.loading import open_set
from crypto_assets.training_sets.place import Shelf
from crypto_assets.training_sets.refusals import (
    ManifestAltered,
    ManifestRefused,
    PlaceUnavailable,
    SetDamaged,
    SetUnknown,
)
from crypto_assets.training_sets.verify import open_to_verify, verify
from crypto_assets.training_sets.writing import Step
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.markets import store, walk
from crypto_assets_tests.training_sets import world

FEW = {"markets": ["BTC/USDT"], "venues": ["binance"], "columns": ["close", "return_1"], "horizons": [1]}


def _make(warehouse: Warehouse, shelf: Shelf, name: str) -> None:
    store(warehouse, walk(400, 1, start=world.START), "BTC/USDT")
    create(warehouse, world.universe(), shelf, world.asked(name, **FEW))
    mark(warehouse, name, SetState.VERIFIED)


def _link(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to(folder.with_name("elsewhere"))


@pytest.mark.parametrize(
    ("name", "harm", "error"),
    [
        ("removed", shutil.rmtree, SetDamaged),
        ("bare", lambda folder: (folder / "manifest.json").unlink(), SetDamaged),
        ("led-elsewhere", _link, SetDamaged),
        ("cut", lambda folder: (folder / "manifest.json").write_bytes(b"{"), ManifestAltered),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_set_without_its_manifest_is_noted_as_damaged(
    shared_warehouse: Warehouse, tmp_path: Path, name: str, harm: Callable[[Path], object], error: type[SetDamaged]
) -> None:
    shelf = world.shelf(tmp_path)
    _make(shared_warehouse, shelf, name)
    before = listed(shared_warehouse, name).verified_at
    harm(tmp_path / "test" / name)
    with pytest.raises(error) as refused:
        open_to_verify(shared_warehouse, shelf, name)
    assert type(refused.value) is error
    row = listed(shared_warehouse, name)
    assert row.state == "damaged"
    assert before is not None
    assert row.verified_at is not None
    assert row.verified_at > before


def test_what_says_nothing_of_the_files_is_not_noted(shared_warehouse: Warehouse, tmp_path: Path) -> None:
    shelf = world.shelf(tmp_path)
    _make(shared_warehouse, shelf, "foreign")
    with pytest.raises(PlaceUnavailable):
        open_to_verify(shared_warehouse, Shelf("nosuch://host/sets"), "foreign")
    # A manifest as it was written, and by a later version of this package.
    file = tmp_path / "test" / "foreign" / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_bytes()), "format": 2}))
    with shared_warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE ops.training_sets SET manifest_sha256 = %s WHERE name = 'foreign'",
            (hashlib.sha256(file.read_bytes()).hexdigest(),),
        )
    with pytest.raises(ManifestRefused, match="cannot be read: format"):
        open_to_verify(shared_warehouse, shelf, "foreign")
    with pytest.raises(SetUnknown):
        open_to_verify(shared_warehouse, shelf, "nothing")
    # Rules of pools that only another version understands.
    _make(shared_warehouse, shelf, "strange")
    chosen = open_set(shelf, "strange", shared_warehouse)
    question = chosen.manifest.question.model_copy(update={"dex": {"rules": "of another version"}})
    other = replace(chosen, manifest=chosen.manifest.model_copy(update={"question": question}))
    with pytest.raises(ManifestRefused, match="rules of pools cannot be read"):
        verify(shared_warehouse, other)
    assert [listed(shared_warehouse, name).state for name in ("foreign", "strange")] == ["verified", "verified"]


def test_a_file_that_goes_while_it_is_compared_is_noted(shared_warehouse: Warehouse, tmp_path: Path) -> None:
    shelf = world.shelf(tmp_path)
    _make(shared_warehouse, shelf, "going")

    def tell(step: Step) -> None:
        if step.done == 1:
            (tmp_path / "test" / "going" / "binance_2024_1.parquet").unlink()

    found = verify(shared_warehouse, open_set(shelf, "going", shared_warehouse), tell=tell)
    assert [one.file for one in found.damaged] == ["binance_2024_1.parquet"]
    assert (found.state, found.rebuilt_hash, found.differences) == ("damaged", "", [])
    assert listed(shared_warehouse, "going").state == "damaged"

"""Making a training set: resolve, rebuild, write, hash, publish.

What belongs here: the order of that work. What does not: rows (rebuild.py), files (place.py) and the catalog (catalog.py).

It is published in the transaction that writes its row. Whoever is killed before leaves hidden files that nothing reads; between
publishing and commit, a folder without a row, which is no set, and which `delete` removes.
"""

from __future__ import annotations

from crypto_assets.datasets.features.source import Source
from crypto_assets.datasets.market.ohlcv.table import DATASET as BARS
from crypto_assets.quality.coverage import SeriesKey
from crypto_assets.training_sets.catalog import alone, enter, find, taken
from crypto_assets.training_sets.holes import Holes, read_holes
from crypto_assets.training_sets.manifest import Manifest
from crypto_assets.training_sets.place import Shelf
from crypto_assets.training_sets.question import Asked, Question, checked_name, resolve
from crypto_assets.training_sets.rebuild import pieces
from crypto_assets.training_sets.refusals import SetExists, SetRefused
from crypto_assets.training_sets.sources import tables_of
from crypto_assets.training_sets.writing import Tell, Written, silent
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import reading


def create(warehouse: Warehouse, universe: Universe, shelf: Shelf, asked: Asked, *, tell: Tell = silent) -> Manifest:
    """Freeze features and labels into a set.

    Args:
        warehouse: Where to read, and where the catalog is.
        universe: Its markets and rules.
        shelf: Where it goes.
        asked: What it is to hold.
        tell: Is told of each market's year.

    Raises:
        SetRefused, UniverseError: what is asked for makes no set; see `resolve`. No bar is there.
        SetExists: the name is taken, by a set or by what is left of one.
        PlaceUnavailable: the place cannot be written; nothing is left there.
        DatabaseUnreachable: no connection, or it broke; likewise.
    """
    name = checked_name(asked.name)
    with alone(warehouse, name):
        _refuse_taken(warehouse, shelf, name)
        question = resolve(warehouse, universe, asked)
        with shelf.staging(name) as staging:
            written = Written(question)
            written.write(staging, pieces(warehouse, question), tell)
            if not written.rows:
                raise _nothing(question)
            manifest = written.manifest(name, _holes(warehouse, question), _perishable(universe, question))
            content = manifest.content()
            with warehouse.connect() as connection:
                enter(connection, manifest, content, shelf.address(name))
                staging.publish(content)
    return manifest


def _refuse_taken(warehouse: Warehouse, shelf: Shelf, name: str) -> None:
    if find(warehouse, name) is not None:
        raise taken(name)
    if shelf.holds(name):
        raise SetExists(
            f"Something lies in {shelf.address(name)} that the catalog does not know: what is left of a creation that was"
            " ended at its last step, or another database's set",
            way_out=f"Choose another name, or remove it: `crypto-assets dataset delete {name} --yes`.",
        )


def _nothing(question: Question) -> SetRefused:
    span = f"{question.start:%Y-%m-%d %H:%M} to {question.end:%Y-%m-%d %H:%M}"
    return SetRefused(
        f"By {question.as_of:%Y-%m-%d %H:%M:%S} UTC no bar from {span} had been ingested of these markets",
        way_out="--as-of means when rows were stored, not when the market traded; `crypto-assets status` shows the ranges.",
    )


def _holes(warehouse: Warehouse, question: Question) -> dict[SeriesKey, Holes]:
    span = (question.start, question.end)
    with reading(warehouse) as reader:
        source = Source(reader, question.as_of)
        keys = [SeriesKey(BARS, one.venue, one.symbol, question.timeframe) for one in question.series]
        return {key: read_holes(source, key, span) for key in keys}


def _perishable(universe: Universe, question: Question) -> dict[str, str]:
    """What the set is made of and the universe lets go in time: past that, it cannot be rebuilt."""
    rules = universe.retention.tables
    return {
        name: f"goes {rules[name].keep_days} days after it came ({rules[name].then})"
        for name in tables_of(question.columns)
        if name in rules
    }


__all__ = ["create"]

"""From creation to deletion: settled moments, taken names, killed processes, and models that keep a set."""

from __future__ import annotations

import signal
import subprocess
import sys
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from crypto_assets.datasets.features.ml_features.catalog import FEATURE_SETS
from crypto_assets.datasets.market.ohlcv.table import ohlcv
from crypto_assets.datasets.models.registry.store import register
from crypto_assets.schema.training_sets import SetState
from crypto_assets.training_sets import catalog
from crypto_assets.training_sets import create as module
from crypto_assets.training_sets.catalog import all_sets, alone, enter, find, named_by, strike
from crypto_assets.training_sets.create import create
from crypto_assets.training_sets.loading import open_set
from crypto_assets.training_sets.manifest import Manifest
from crypto_assets.training_sets.moments import settle
from crypto_assets.training_sets.place import Shelf
from crypto_assets.training_sets.refusals import SetExists, SetInUse, SetRefused, SetUnknown
from crypto_assets.training_sets.remove import delete
from crypto_assets.training_sets.verify import verify
from crypto_assets.training_sets.writing import Step
from crypto_assets.universe_operations import RetentionRules
from crypto_assets.warehouse.connection import DatabaseUnreachable, Warehouse
from crypto_assets.warehouse.detached import SpanAway
from crypto_assets.warehouse.write import upsert
from crypto_assets_tests.datasets.models.registry.stage import trained
from crypto_assets_tests.markets import store, walk
from crypto_assets_tests.training_sets import world

FEW = {"markets": ["BTC/USDT"], "venues": ["binance"], "columns": ["close", "return_1"], "horizons": [1]}
# Does what `_make` does, and comes to a halt when the first piece is written.
CREATE = """
import sys
from pydantic import SecretStr
from crypto_assets.training_sets.create import create
from crypto_assets.training_sets.place import Shelf
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.training_sets import world
from crypto_assets_tests.training_sets.test_life import FEW

def halt(step):
    print(step.doing, flush=True)
    sys.stdin.readline()

warehouse = Warehouse(SecretStr(sys.stdin.readline().strip()))
create(warehouse, world.universe(), Shelf(sys.argv[1]), world.asked("killed", **FEW), tell=halt)
"""


def _make(warehouse: Warehouse, shelf: Shelf, name: str) -> Manifest:
    store(warehouse, walk(400, 1, start=world.START), "BTC/USDT")
    return create(warehouse, world.universe(), shelf, world.asked(name, **FEW))


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "test").iterdir()) if (folder / "test").exists() else []


def test_a_creation_that_is_killed_leaves_no_set_and_its_name_free(shared_warehouse: Warehouse, tmp_path: Path) -> None:
    store(shared_warehouse, walk(400, 1, start=world.START), "BTC/USDT")
    shelf = world.shelf(tmp_path)
    run = subprocess.Popen(
        [sys.executable, "-c", CREATE, str(tmp_path / "test")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert run.stdin is not None
        assert run.stdout is not None
        run.stdin.write(shared_warehouse.url.get_secret_value() + "\n")
        run.stdin.flush()
        assert run.stdout.readline() == "binance BTC/USDT 2023\n"
        with pytest.raises(SetExists, match="being written or deleted by another process"):
            _make(shared_warehouse, shelf, "killed")
    finally:
        run.send_signal(signal.SIGKILL)
        run.communicate()
    [left] = _names(tmp_path)
    assert left.startswith(".killed.")
    assert find(shared_warehouse, "killed") is None
    with pytest.raises(SetUnknown):
        open_set(shelf, "killed")
    with pytest.raises(SetUnknown):
        delete(shared_warehouse, shelf, "killed")
    for attempt in range(200):  # the server notices the end of the connection, and with it of the lease, in a moment
        try:
            with alone(shared_warehouse, "killed"):
                break
        except SetExists:
            assert attempt < 199
    made = _make(shared_warehouse, shelf, "killed")
    assert _names(tmp_path) == ["killed"]
    assert verify(shared_warehouse, open_set(shelf, "killed", shared_warehouse)).row_hash == made.row_hash.sha256


def test_whatever_fails_leaves_nothing(
    shared_warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(shared_warehouse, walk(400, 1, start=world.START), "BTC/USDT")

    def tell(step: Step) -> None:
        if step.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        create(shared_warehouse, world.universe(), world.shelf(tmp_path), world.asked("stopped", **FEW), tell=tell)
    assert _names(tmp_path) == []
    # A transaction that fails after the set was published takes it back.
    monkeypatch.setattr(module, "enter", lambda connection, *told: (enter(connection, *told), connection.close()))
    with pytest.raises(DatabaseUnreachable):
        _make(shared_warehouse, world.shelf(tmp_path), "stopped")
    assert _names(tmp_path) == []
    assert find(shared_warehouse, "stopped") is None


def test_a_name_that_is_taken_is_refused_and_nothing_is_written_over(
    shared_warehouse: Warehouse, tmp_path: Path
) -> None:
    shelf = world.shelf(tmp_path)
    _make(shared_warehouse, shelf, "taken")
    content = (tmp_path / "test" / "taken" / "manifest.json").read_bytes()
    with pytest.raises(SetExists, match="exists, and none is ever written over"):
        _make(shared_warehouse, shelf, "taken")
    with pytest.raises(SetExists, match="exists"):  # in another place, too: the catalog knows one set of a name
        _make(shared_warehouse, Shelf(str(tmp_path / "other")), "taken")
    assert (tmp_path / "test" / "taken" / "manifest.json").read_bytes() == content
    # Ended between publishing and commit: a folder without a row, which is no set.
    with shared_warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM ops.training_sets WHERE name = 'taken'")
    with pytest.raises(SetExists, match=r"the catalog does not know.*") as refused:
        _make(shared_warehouse, shelf, "taken")
    assert "dataset delete taken --yes" in refused.value.way_out
    assert delete(shared_warehouse, shelf, "taken") is False
    assert _make(shared_warehouse, shelf, "taken").name == "taken"


def test_a_set_stays_while_a_model_names_it(shared_warehouse: Warehouse, tmp_path: Path) -> None:
    shelf = world.shelf(tmp_path)
    _make(shared_warehouse, shelf, "used")
    learned = replace(trained("opportunity_4h"), training_set="used")
    with shared_warehouse.connect() as connection:
        assert register(connection, learned) == 1
        assert register(connection, replace(learned, training_set=None)) == 2
    assert list(map(str, named_by(shared_warehouse, "used"))) == ["opportunity_4h version 1 (candidate)"]
    with pytest.raises(SetInUse, match=r"used stays: opportunity_4h version 1 \(candidate\) learned from it"):
        delete(shared_warehouse, shelf, "used")
    assert open_set(shelf, "used", shared_warehouse).frame().shape[0] == 400
    # Whoever asks too early is held back by the database itself, and a model cannot name what is not there.
    with pytest.raises(psycopg2.errors.ForeignKeyViolation), shared_warehouse.connect() as connection:
        connection.cursor().execute("DELETE FROM ops.training_sets WHERE name = 'used'")
    with pytest.raises(psycopg2.errors.ForeignKeyViolation), shared_warehouse.connect() as connection:
        register(connection, replace(learned, training_set="gone"))
    with shared_warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM models.registry WHERE model = 'opportunity_4h'")
    assert delete(shared_warehouse, shelf, "used") is True
    assert _names(tmp_path) == []
    assert "used" not in [one.name for one in all_sets(shared_warehouse)]
    with pytest.raises(SetUnknown, match="Nothing is named used"):
        delete(shared_warehouse, shelf, "used")


def test_a_training_that_ends_while_its_set_is_deleted_keeps_it(
    shared_warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _make(shared_warehouse, world.shelf(tmp_path), "raced")
    with shared_warehouse.connect() as connection:
        register(connection, replace(trained("opportunity_1h"), training_set="raced"))
    asked = iter([[], named_by(shared_warehouse, "raced")])  # it is registered after the first look
    monkeypatch.setattr(catalog, "named_by", lambda _warehouse, _name: next(asked))
    with pytest.raises(SetInUse, match="opportunity_1h version 1"):
        strike(shared_warehouse, "raced")


def test_only_a_settled_moment_is_frozen(warehouse: Warehouse) -> None:
    """A row is stamped by its statement and seen at its commit: until then nobody knows what stood at that moment."""
    store(warehouse, walk(10, 1, start=world.START), "BTC/USDT")
    with warehouse.connect() as open_one, open_one.cursor() as cursor:
        cursor.execute("SELECT now()")
        [began] = cursor.fetchone() or [None]
        with warehouse.connect() as other:
            other.cursor().execute("SELECT 1")
        between = settle(warehouse)
        assert between < began
        waits: list[float] = []
        late = began + timedelta(microseconds=1)
        with pytest.raises(SetRefused, match=r"A transaction that began at .* goes on") as refused:
            settle(warehouse, late, patience=1, sleep=waits.append)
        assert sum(waits) == 1
        assert f"--as-of {between.isoformat()}" in refused.value.way_out
        assert settle(warehouse, between) == between

        def ends(_seconds: float) -> None:
            open_one.commit()

        assert settle(warehouse, late, sleep=ends) == late.astimezone(UTC)
    assert settle(warehouse) > late
    with pytest.raises(SetRefused, match="nothing stands yet"):
        settle(warehouse, datetime.now(UTC) + timedelta(days=1))


def test_a_row_of_an_open_transaction_never_slips_into_the_past_of_a_set(warehouse: Warehouse, tmp_path: Path) -> None:
    store(warehouse, walk(400, 1, start=world.START), "BTC/USDT")
    bar = walk(1, 7, start=world.START + 400 * world.HOUR)
    with warehouse.connect() as writer:
        upsert(
            writer, ohlcv,
            {
                "venue": "binance", "symbol": "BTC/USDT", "timeframe": "1h", "opened_at": bar.opened_at, "open": bar.open,
                "high": bar.high, "low": bar.low, "close": bar.close, "volume_base": bar.volume, "source": "late",
                "known_at": bar.opened_at,
            },
        )  # fmt: skip
        shelf = world.shelf(tmp_path)
        made = create(warehouse, world.universe(), shelf, world.asked("early", **FEW))
    assert made.rows == 400
    assert verify(warehouse, open_set(shelf, "early", warehouse)).state == "verified"


def test_what_goes_in_time_is_said(shared_warehouse: Warehouse, tmp_path: Path) -> None:
    store(shared_warehouse, walk(400, 1, start=world.START), "BTC/USDT")
    rules = RetentionRules.model_validate(
        {"tables": {"market.trade_bars": {"keep_days": 90}, "market.trades": {"keep_days": 9}}}
    )
    universe = world.universe().model_copy(update={"retention": rules})
    shelf = world.shelf(tmp_path)
    create(shared_warehouse, universe, shelf, world.asked("of-prices", **FEW))
    assert open_set(shelf, "of-prices", shared_warehouse).manifest.perishable == {}  # it has nothing of trades
    flow = {**FEW, "columns": ["close", "order_flow_imbalance"]}
    made = create(shared_warehouse, universe, shelf, world.asked("perishable", **flow))
    assert made.perishable == {"market.trade_bars": "goes 90 days after it came (detach)"}
    found = verify(shared_warehouse, open_set(shelf, "perishable", shared_warehouse), files_only=True)
    assert found.notices == [
        "market.trade_bars goes 90 days after it came (detach): past that, the set cannot be rebuilt"
    ]


def test_whole_files_are_no_word_on_rows_that_came_out_otherwise(warehouse: Warehouse, tmp_path: Path) -> None:
    store(warehouse, walk(10, 1, start=world.START), "BTC/USDT")
    create(warehouse, world.universe(), world.shelf(tmp_path), world.asked("looked-at", **FEW))
    chosen = open_set(world.shelf(tmp_path), "looked-at", warehouse)
    for before, after in (
        ("created", "created"),
        ("differs", "differs"),
        ("verified", "verified"),
        ("damaged", "created"),
    ):
        catalog.mark(warehouse, "looked-at", SetState(before))
        found = verify(warehouse, chosen, files_only=True)
        assert (found.state, found.damaged, found.rebuilt_hash) == (after, [], "")
        assert catalog.listed(warehouse, "looked-at").state == after


def test_bars_that_retention_took_away_are_no_bars_that_never_were(warehouse: Warehouse, tmp_path: Path) -> None:
    store(warehouse, walk(400, 1, start=world.START), "BTC/USDT")
    shelf = world.shelf(tmp_path)
    create(warehouse, world.universe(), shelf, world.asked("whole", **FEW))
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ops.archived_partitions (table_name, starts_at, number, ends_at, partition_name, outcome, table_bytes)"
            " VALUES ('market.ohlcv', '2023-01-01', 1, '2024-01-01', 'ohlcv_2023', 'dropped', 0)"
        )
    with pytest.raises(SpanAway, match=r"market\.ohlcv of 2023 was dropped"):
        verify(warehouse, open_set(shelf, "whole", warehouse))
    with pytest.raises(SpanAway):
        create(warehouse, world.universe(), shelf, world.asked("less", **FEW))


def test_what_inputs_look_back_to_is_asked_for_as_well_as_what_the_bars_span(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    store(warehouse, walk(400, 1, start=world.START), "BTC/USDT")
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ops.archived_partitions (table_name, starts_at, number, ends_at, partition_name, outcome, table_bytes)"
            " VALUES ('market.trade_bars', '2023-01-01', 1, '2024-01-01', 'trade_bars_2023', 'dropped', 0)"
        )
    year = {**FEW, "start": datetime(2024, 1, 1, tzinfo=UTC)}
    flow = next(one.features[0].name for one in FEATURE_SETS if "trade_flow" in one.inputs)
    create(warehouse, world.universe(), world.shelf(tmp_path), world.asked("of-bars", **year))
    with pytest.raises(SpanAway, match=r"market\.trade_bars of 2023 was dropped"):
        create(
            warehouse, world.universe(), world.shelf(tmp_path), world.asked("of-trades", **{**year, "columns": [flow]})
        )


def test_a_transaction_whose_beginning_may_not_be_seen_is_waited_for_all_the_same(warehouse: Warehouse) -> None:
    """An owner who is no superuser sees of other users' sessions no times: what they write must not come in afterwards."""
    role = f"owner_{uuid.uuid4().hex[:12]}"
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{role}'")
    url = make_url(warehouse.url.get_secret_value()).set(username=role, password=role)
    owner = Warehouse(SecretStr(url.render_as_string(hide_password=False)))
    try:
        with warehouse.connect() as idle:
            idle.cursor().execute("SELECT 1")
            idle.commit()  # whoever only waits holds nobody up
            with warehouse.connect() as writing, writing.cursor() as cursor:
                cursor.execute("SELECT clock_timestamp()")
                [stamp] = cursor.fetchone() or [None]
                waits: list[float] = []
                with pytest.raises(SetRefused, match="A transaction of another user goes on") as refused:
                    settle(owner, patience=1, sleep=waits.append)
                assert "pg_read_all_stats" in refused.value.way_out
                assert sum(waits) == 1
                assert settle(owner, sleep=lambda _seconds: writing.commit()) > stamp
            assert settle(owner, stamp) == stamp.astimezone(UTC)
    finally:
        with warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP ROLE {role}")

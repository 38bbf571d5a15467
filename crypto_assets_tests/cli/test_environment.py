"""What an environment leaves for Dagster, what it tells its children, and when it stops the server that it started."""

from __future__ import annotations

import json
from pathlib import Path

import psutil

from crypto_assets.cli.environment import Environment, embedded_server
from crypto_assets.cli.serve import Process, state_file
from crypto_assets.settings import Settings
from crypto_assets.warehouse.server_address import ServerAddress


def test_whoever_reads_dagsters_file_while_it_is_written_reads_a_whole_one(
    server: ServerAddress, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path, profile="whole", database_url=server.url("whole"))
    file = settings.dagster_home / "dagster.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("telemetry: {enabled: false}\n")
    with file.open() as reader:
        with Environment(settings):
            # The one that is open is not touched: another one stands in its place.
            assert reader.read() == "telemetry: {enabled: false}\n"
            assert file.read_bytes() == settings.dagster_file.read_bytes()
        assert [path.name for path in file.parent.iterdir()] == ["dagster.yaml"]


def test_children_are_told_of_every_place(server: ServerAddress, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, profile="told", database_url=server.url("told"))
    places = [name for name in Settings.model_fields if name.endswith("_store")]
    assert len(places) >= 5
    with Environment(settings) as environment:
        told = environment.variables()
    # Named relative to the folder of whoever started us, they would lie elsewhere.
    assert {f"CRYPTO_ASSETS_{name.upper()}" for name in places} <= told.keys()


def test_a_server_that_up_works_with_is_not_stopped_by_whoever_started_it(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, profile="shared", database_url=None)
    server = embedded_server(settings)
    try:
        with Environment(settings):
            up = Process.of("up", psutil.Process().pid)
            state_file(settings).write_text(json.dumps([vars(up)]))
        assert server.address() is not None
        server.stop()
        state_file(settings).unlink()
        with Environment(settings):
            assert server.address() is not None
        assert server.address() is None
    finally:
        server.stop()

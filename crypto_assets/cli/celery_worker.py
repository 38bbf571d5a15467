"""`crypto-assets celery-worker` and `celery-status`: runs of other machines executed here, and who executes them.

What belongs here: options, what must be there before a worker starts, the table of workers. What does not: the worker itself
(scale_out/worker.py).
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from crypto_assets.errors import CryptoAssetsError

if TYPE_CHECKING:  # --help answers at once
    from crypto_assets.cli.environment import Environment
    from crypto_assets.scale_out.broker import Broker
    from crypto_assets.settings import Settings


class NothingToWorkOn(CryptoAssetsError):
    """The database that runs would write to is not there."""


def celery_worker(
    context: typer.Context,
    runs: Annotated[int, typer.Option(min=1, max=64, help="Runs at the same time, each in a process of its own.")] = 2,
    queue: Annotated[
        list[str] | None, typer.Option(help="Take runs of this queue; may be given several times; default: runs.")
    ] = None,
    name: Annotated[str, typer.Option(help="What tells this worker from others on the same machine.")] = "worker",
) -> None:
    """Execute the runs that are sent over CRYPTO_ASSETS_BROKER_URL, until SIGTERM: runs at work are finished first.

    Example: crypto-assets celery-worker --runs 4
    """
    settings: Settings = context.obj
    broker = _broker(settings)
    _require_database(settings)
    from crypto_assets.cli.environment import Environment
    from crypto_assets.cli.instance import prepare_instance

    with Environment(settings, keep_server=True) as environment:
        prepare_instance(environment)
        _work(environment, broker, runs, queue or [], name)


def celery_status(
    context: typer.Context, json_: Annotated[bool, typer.Option("--json", help="Print it for machines.")] = False
) -> None:
    """List the workers that answer, and how many runs each executes; exit code 1 where none does.

    Example: crypto-assets celery-status
    """
    from crypto_assets.cli.console import OUT, table
    from crypto_assets.scale_out.workers import find_workers

    broker = _broker(context.obj)
    workers = find_workers(broker)
    if json_:
        told = {one.name: {"runs": one.runs, "most": one.most, "queues": " ".join(one.queues)} for one in workers}
        sys.stdout.write(json.dumps(told) + "\n")
    elif workers:
        shown = table(f"Workers over {broker.place}", "worker", ">runs at work", ">at most", "queues")
        for one in workers:
            shown.add_row(one.name, str(one.runs), str(one.most), " ".join(one.queues))
        OUT.print(shown)
    else:
        OUT.print(f"No worker answers over {broker.place}: `crypto-assets celery-worker` starts one.")
    raise typer.Exit(0 if workers else 1)


def _broker(settings: Settings) -> Broker:
    from crypto_assets.scale_out.broker import broker_of
    from crypto_assets.scale_out.workers import require_extra

    require_extra()
    return broker_of(settings)


def _require_database(settings: Settings) -> None:
    """An embedded server belongs to `up`: one that a worker had started would end with it, under everybody's feet."""
    from crypto_assets.cli.environment import embedded_server

    if settings.database_url is None and embedded_server(settings).address() is None:
        raise NothingToWorkOn(
            "The embedded PostgreSQL does not run, and a worker does not start it",
            way_out="`crypto-assets up` first, or name a server in CRYPTO_ASSETS_DATABASE_URL.",
        )


def _work(environment: Environment, broker: Broker, runs: int, queues: list[str], name: str) -> None:
    from crypto_assets.scale_out.broker import QUEUE
    from crypto_assets.scale_out.pulse import KEEPALIVE
    from crypto_assets.scale_out.worker import worker_app
    from crypto_assets.settings import ENV_PREFIX
    from crypto_assets.warehouse.connection import Warehouse

    variables = dict(environment.child_variables())
    for url in ("WAREHOUSE_URL", "DAGSTER_URL"):
        variables[ENV_PREFIX + url] = with_options(variables[ENV_PREFIX + url], KEEPALIVE)
    os.environ.update(variables)  # for the processes of runs, which are forked off this one
    warehouse = Warehouse(environment.warehouse.url)
    arguments = [
        "worker", "--pool=prefork", f"--concurrency={runs}", f"--hostname={name}@%h",
        f"--queues={','.join(queues or [QUEUE])}", "--without-gossip", "--without-mingle", "--loglevel=INFO",
    ]  # fmt: skip
    worker_app(broker, warehouse).worker_main(arguments)


def with_options(url: str, options: str) -> str:
    """A database URL whose sessions begin with these server options besides its own. Pure."""
    from sqlalchemy import make_url

    parsed = make_url(url)
    both = f"{parsed.query.get('options', '')} {options}".strip()
    return parsed.update_query_dict({"options": both}).render_as_string(hide_password=False)

"""The `crypto-assets` command: its options and commands, each handed to the file that does the work.

What belongs here: names, options, help with an example. What does not: any work.
"""

from __future__ import annotations

import os
import shlex
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from crypto_assets.cli import show_quotes, show_world_commands  # noqa: F401 - their commands join show_app
from crypto_assets.cli.alerts import alerts_app
from crypto_assets.cli.backup import backup_app
from crypto_assets.cli.celery_worker import celery_status, celery_worker
from crypto_assets.cli.console import NOTICES, OUT, clear_errors, log_command, table
from crypto_assets.cli.dashboard import dashboard
from crypto_assets.cli.dataset import dataset_app
from crypto_assets.cli.execute import execute
from crypto_assets.cli.export import export
from crypto_assets.cli.features import features_app
from crypto_assets.cli.gaps import gaps_app
from crypto_assets.cli.models import models_app
from crypto_assets.cli.predict import predict
from crypto_assets.cli.restore import restore
from crypto_assets.cli.retention import retention_app
from crypto_assets.cli.show import show_app
from crypto_assets.cli.storage import storage
from crypto_assets.cli.stream import stream
from crypto_assets.cli.top import top
from crypto_assets.cli.trace import trace
from crypto_assets.cli.watchlist import watchlist_app
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.settings import Settings, load_settings

app = typer.Typer(
    name="crypto-assets",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Crypto market data as Dagster assets in PostgreSQL. Every bar is complete or labelled why not.",
)
universe_app = typer.Typer(no_args_is_help=True, help="Look at and try config/universe.yaml.")
app.add_typer(universe_app, name="universe")
app.add_typer(gaps_app, name="gaps")
app.add_typer(features_app, name="features")
app.add_typer(show_app, name="show")
app.add_typer(models_app, name="models")
app.add_typer(dataset_app, name="dataset")
app.add_typer(watchlist_app, name="watchlist")
app.add_typer(backup_app, name="backup")
app.add_typer(alerts_app, name="alerts")
app.command()(trace)
app.command()(stream)
app.command()(top)
app.command()(dashboard)
app.add_typer(retention_app, name="retention")
app.command()(export)
app.command()(storage)
app.command()(restore)
app.command()(predict)
app.command("exec", context_settings={"ignore_unknown_options": True})(execute)
app.command("celery-worker")(celery_worker)
app.command("celery-status")(celery_status)

# `dagster asset …` knows no workspace file and wants -m; its variable for that would break `dagster … -w`.
_DAGSTER_FUNCTION = (
    'dagster() { if [ "$1" = asset ]; then DAGSTER_MODULE_NAME="${DAGSTER_MODULE_NAME:-crypto_assets.definitions}"'
    ' command dagster "$@"; else command dagster "$@"; fi; }\n'
)


@app.callback()
def options(
    context: typer.Context,
    profile: Annotated[str, typer.Option(help="Which set of databases: live, sandbox, …")] = "",
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Read the environment once, for whichever command follows."""
    settings = load_settings(**({"profile": profile} if profile else {}))
    log_command(settings.log_level, settings.log_format, settings.origin, context.invoked_subcommand or "")
    context.obj = settings
    _ = debug  # read by main() before any command is parsed, so that it holds for parsing too


def _settings(context: typer.Context) -> Settings:
    settings: Settings = context.obj
    return settings


@app.command()
def up(
    context: typer.Context,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Against a seeded sandbox, in a profile of its own.")
    ] = False,
    recordings: Annotated[Path | None, typer.Option(help="Against the recorded bars of a folder.")] = None,
) -> None:
    """Run web UI, schedules and database in the foreground.

    Example: crypto-assets up --sandbox
    """
    from crypto_assets.cli.playground import playground
    from crypto_assets.cli.serve import serve

    if not sandbox and recordings is None:
        serve(_settings(context))
        return
    with playground(_settings(context), recordings) as inside:
        serve(inside)


@app.command()
def down(context: typer.Context) -> None:
    """End what `up` started, in every profile, and the embedded database.

    Example: crypto-assets down
    """
    from crypto_assets.cli.environment import embedded_server
    from crypto_assets.cli.serve import stop

    settings = _settings(context)
    ended = []
    for state in sorted(settings.home.absolute().glob("*/up.json")):
        ended += [
            f"{name} ({state.parent.name})" for name in stop(settings.model_copy(update={"profile": state.parent.name}))
        ]
    if settings.database_url is None and embedded_server(settings).stop():
        ended.append("embedded PostgreSQL")
    OUT.print(f"Ended: {', '.join(ended)}." if ended else "Nothing was running.")


@app.command()
def demo(
    context: typer.Context,
    recordings: Annotated[Path | None, typer.Option(help="Play the bars of this folder's recordings.yaml.")] = None,
) -> None:
    """Collect ten days of three venues from a sandbox, or a folder of recordings, and check it.

    Example: crypto-assets demo --recordings ../shared/data
    """
    from crypto_assets.cli.demo import run_demo

    raise typer.Exit(run_demo(_settings(context), recordings))


@app.command()
def backfill(
    context: typer.Context,
    from_: Annotated[str, typer.Option("--from", help="First UTC day, as 2024-01-01.")],
    to: Annotated[str, typer.Option("--to", help="UTC day behind the last; default: now.")] = "",
    venue: Annotated[list[str] | None, typer.Option(help="May be given several times; default: all.")] = None,
    market: Annotated[list[str] | None, typer.Option(help="As BTC/USDT; may be given several times.")] = None,
    timeframe: Annotated[list[str] | None, typer.Option(help="As 1h; may be given several times.")] = None,
    jobs: Annotated[int, typer.Option(min=1, max=16, help="Venues at the same time.")] = 2,
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask again for what is stored.")] = False,
) -> None:
    """Collect history: one Dagster run a venue, with progress; run it again to resume.

    Example: crypto-assets backfill --from 2024-01-01 --to 2024-07-01 --venue binance --timeframe 1h
    """
    span = (_day(from_, "--from"), _day(to, "--to") if to else datetime.now(UTC))
    from crypto_assets.cli.collect import run_backfill

    chosen = (tuple(venue or ()), tuple(market or ()), tuple(timeframe or ()))
    raise typer.Exit(run_backfill(_settings(context), span, chosen, jobs=jobs, refresh=refresh))


@app.command()
def collect(
    context: typer.Context,
    from_: Annotated[str, typer.Option("--from", help="First UTC day or moment; default: 15 minutes ago.")] = "",
    to: Annotated[str, typer.Option("--to", help="Behind the last one; default: now.")] = "",
    venue: Annotated[list[str] | None, typer.Option(help="May be given several times; default: all.")] = None,
    market: Annotated[list[str] | None, typer.Option(help="As BTC/USDT; may be given several times.")] = None,
    jobs: Annotated[int, typer.Option(min=1, max=16, help="Venues at the same time.")] = 2,
) -> None:
    """Collect trades of a span, and order books and tickers of now; run it again to resume.

    Example: crypto-assets collect --venue binance --market BTC/USDT --from 2026-11-20T12:00 --to 2026-11-20T13:00
    """
    end = _day(to, "--to") if to else datetime.now(UTC)
    start = _day(from_, "--from") if from_ else end - timedelta(minutes=15)
    from crypto_assets.cli.collect import run_collect

    chosen = (tuple(venue or ()), tuple(market or ()))
    raise typer.Exit(run_collect(_settings(context), (start, end), chosen, jobs=jobs))


@app.command("collect-pools")
def collect_pools(
    context: typer.Context,
    network: Annotated[
        list[str] | None, typer.Option(help="As solana; may be given several times; default: all.")
    ] = None,
    pool: Annotated[
        list[str] | None, typer.Option(help="Address of a watched pool; may be given several times.")
    ] = None,
    days: Annotated[int, typer.Option(min=0, max=3650, help="How many whole days of bars before today.")] = 1,
    jobs: Annotated[int, typer.Option(min=1, max=16, help="Networks at the same time; they share one budget.")] = 2,
) -> None:
    """Collect DEXes and pools of now, and bars and trades of the watchlist's pools; run it again to resume.

    Example: crypto-assets collect-pools --network solana --days 7
    """
    from crypto_assets.cli.collect_pools import run_collect_pools

    raise typer.Exit(run_collect_pools(_settings(context), tuple(network or ()), tuple(pool or ()), days, jobs=jobs))


@app.command("collect-world")
def collect_world(
    context: typer.Context,
    area: Annotated[
        list[str] | None, typer.Argument(help="macro, onchain, fees, news or mood; several may be named; default: all.")
    ] = None,
    days: Annotated[int, typer.Option(min=0, max=36_500, help="How many whole days before today.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, max=16, help="Areas at the same time.")] = 2,
) -> None:
    """Collect economies, chains, fees, news and moods; run it again to resume.

    Example: crypto-assets collect-world macro onchain --days 180
    """
    from crypto_assets.cli.collect_world import run_collect_world

    raise typer.Exit(run_collect_world(_settings(context), tuple(area or ()), days, jobs=jobs))


@app.command()
def status(context: typer.Context) -> None:
    """What runs and what is stored.

    Example: crypto-assets status
    """
    from crypto_assets.cli.status import print_status

    print_status(_settings(context))


@app.command()
def quality(
    context: typer.Context,
    html: Annotated[Path | None, typer.Option(help="Write the report as a page.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print it for machines.")] = False,
) -> None:
    """Report the latest check results and scores; exit code 1 where an error-severity check fails.

    Example: crypto-assets quality --html quality.html
    """
    from crypto_assets.cli.quality import run_quality

    raise typer.Exit(run_quality(_settings(context), html=html, as_json=json_))


@app.command()
def doctor(context: typer.Context) -> None:
    """Try settings, database, daemon and every provider with one real request.

    Example: crypto-assets doctor
    """
    from crypto_assets.cli.doctor import run_doctor

    raise typer.Exit(run_doctor(_settings(context)))


@app.command()
def migrate(
    context: typer.Context,
    timescale: Annotated[
        bool, typer.Option("--timescale", help="Make hypertables of a fresh database; needs the extension TimescaleDB.")
    ] = False,
) -> None:
    """Bring the database to this version's schema.

    Example: crypto-assets migrate --timescale
    """
    from crypto_assets.cli.environment import Environment
    from crypto_assets.warehouse.timescale import use_timescale

    with Environment(_settings(context)) as environment:
        report = environment.migrated
        if report is not None:
            OUT.print(f"Applied {len(report.applied)} migrations, {report.already} were there.")
        if timescale:
            use_timescale(environment.warehouse, _settings(context).sql_folder)
            OUT.print("Tables of quotes and features are hypertables, compressed from the second day or month on.")


@app.command()
def env(context: typer.Context) -> None:
    """Start the database where needed and print what a shell must export for plain `dagster` commands.

    Example: eval "$(crypto-assets env)"
    """
    from crypto_assets.cli.environment import Environment

    with Environment(_settings(context), keep_server=True) as environment:
        for name, value in environment.variables().items():
            sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
        tools = Path(sys.executable).parent
        sys.stdout.write(f'export PATH={shlex.quote(str(tools))}:"$PATH"\n')
        sys.stdout.write(_DAGSTER_FUNCTION)
    if sys.stdout.isatty():
        NOTICES.print('[dim]In a shell: eval "$(crypto-assets env)"; `crypto-assets down` ends the database.[/]')


@app.command()
def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 picks a free one.")] = 8899,
    seed: Annotated[int, typer.Option(help="Another seed is another market.")] = 7,
    recordings: Annotated[Path | None, typer.Option(help="Play this folder's recordings.yaml.")] = None,
    faults: Annotated[Path | None, typer.Option(help="YAML list of faults to inject.")] = None,
) -> None:
    """Serve the exchanges' wire formats on 127.0.0.1 until Ctrl-C.

    Example: crypto-assets sandbox --port 8899
    """
    from crypto_assets.sandbox.config import SandboxConfig
    from crypto_assets.sandbox.faults import load_faults
    from crypto_assets.sandbox.server import serve

    config = SandboxConfig(port=port, seed=seed, recordings=recordings, faults=load_faults(faults) if faults else ())
    serve(config, ready=lambda url: OUT.print(f"sandbox ready at {url}"))


@universe_app.command("check")
def universe_check(
    context: typer.Context, file: Annotated[Path | None, typer.Argument(help="Default: the universe in use.")] = None
) -> None:
    """Validate the file, or say which key is wrong and what is allowed.

    Example: crypto-assets universe check config/universe.yaml
    """
    from crypto_assets.universe import read_universe

    path = file or _settings(context).universe_file
    universe, _ = read_universe(path)
    markets = sum(len(venue.markets) for venue in universe.venues.values())
    OUT.print(f"{escape(path.name)} is valid: {len(universe.venues)} venues, {markets} markets.")


@universe_app.command("show")
def universe_show(context: typer.Context) -> None:
    """List venues and markets.

    Example: crypto-assets universe show
    """
    from crypto_assets.universe import read_universe

    universe, _ = read_universe(_settings(context).universe_file)
    shown = table("Universe", "venue", "markets", "timeframes", ">requests/s", ">newest bars served")
    for name, venue in sorted(universe.venues.items()):
        reach = f"{venue.history_bars:,}" if venue.history_bars else "all"
        frames = " ".join(venue.timeframes or universe.timeframes)
        shown.add_row(
            name, " ".join(one.symbol for one in venue.markets), frames, f"{venue.requests_per_second:g}", reach
        )
    OUT.print(shown)


def _day(text: str, name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CryptoAssetsError(f"{name} is '{text[:40]}', no date", way_out="Write it as 2024-01-31.") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def main() -> None:
    """Entry point: every error becomes one line, unless --debug asks for the traceback."""
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    with clear_errors(debug="--debug" in sys.argv[1:]):
        app(args=arguments, prog_name="crypto-assets")


if __name__ == "__main__":
    main()

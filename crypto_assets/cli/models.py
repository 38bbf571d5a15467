"""`crypto-assets models`: what is trained, how it does beside the baselines, training, promoting and rolling back.

What belongs here: options, flow, and the tables of several forecasts. What does not: what is shown of one
(show_models.py), and the work itself (datasets/models/registry).
"""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from crypto_assets.cli.console import NOTICES, OUT, complain, table
from crypto_assets.cli.show import AsJson, opened, print_json
from crypto_assets.errors import CryptoAssetsError
from crypto_assets.settings import Settings

if TYPE_CHECKING:
    from crypto_assets.datasets.models.registry.registered import Registered
    from crypto_assets.datasets.models.registry.train import Step, Tell, TrainingOutcome
    from crypto_assets.forecasting.artefacts import Store
    from crypto_assets.forecasting.declaration import Forecast
    from crypto_assets.training_sets.loading import TrainingSet
    from crypto_assets.warehouse.connection import Warehouse

models_app = typer.Typer(
    no_args_is_help=True, help="Forecasts: what is trained, how it does beside the baselines, and who is champion."
)
Model = Annotated[str, typer.Argument(help="Forecast, as gas_1h; `crypto-assets models list` shows all.")]
Why = Annotated[str, typer.Option("--why", help="For whoever reads it later.")]


@models_app.command("list")
def list_(context: typer.Context, json_: AsJson = False) -> None:
    """List every forecast with its champion and its newest version.

    Example: crypto-assets models list
    """
    from crypto_assets.cli.show_text import json_text, records
    from crypto_assets.datasets.models.registry.registered import champions, newest, versions

    with opened(context.obj) as (warehouse, _):
        if json_:
            print_json(json_text({"asked_at": datetime.now(UTC), "versions": records(versions(warehouse))}))
        else:
            print_forecasts(champions(warehouse), newest(warehouse))


@models_app.command()
def show(
    context: typer.Context,
    model: Model,
    version: Annotated[int, typer.Option(min=0, help="Which one; default: the champion, else the newest.")] = 0,
    json_: AsJson = False,
) -> None:
    """Show one version: folds, series and baselines of its validation, and what came of its predictions since.

    Example: crypto-assets models show gas_1h
    """
    from crypto_assets.cli.show_models import print_version, read_version, version_json

    with opened(context.obj) as (warehouse, _):
        view = read_version(warehouse, model, version or None)
    if json_:
        print_json(version_json(view))
    else:
        print_version(view)


@models_app.command()
def train(
    context: typer.Context,
    model: Annotated[list[str], typer.Argument(help="Forecasts, as gas_1h; several may be named.")],
    learner: Annotated[
        list[str] | None, typer.Option(help="lightgbm or lstm; may be given several times; default: lightgbm.")
    ] = None,
    hold_out: Annotated[
        float, typer.Option(min=0, max=3650, help="Train as if it were so many days ago; score the days since.")
    ] = 0,
    training_set: Annotated[
        str,
        typer.Option(help="Learn from this frozen set (`crypto-assets dataset list`), not from all that is stored."),
    ] = "",
) -> None:
    """Train on all that is stored, walk it forward beside the baselines, and promote it where it is better.

    Example: crypto-assets models train gas_1h
    """
    raise typer.Exit(run_train(context.obj, model, learner or ["lightgbm"], hold_out, training_set))


@models_app.command()
def score(
    context: typer.Context,
    model: Model,
    days: Annotated[float, typer.Option(min=0.1, max=366, help="Decisions of the last so many days.")] = 7,
) -> None:
    """Let the champion say what it has not said of the last days, and compare it with what came.

    Example: crypto-assets models score gas_4h --days 7
    """
    raise typer.Exit(run_score(context.obj, model, days))


@models_app.command()
def promote(
    context: typer.Context,
    model: Model,
    version: Annotated[int, typer.Argument(min=1, help="Which one, as `models show` counts them.")],
    why: Why,
) -> None:
    """Make a version champion; one without skill is refused.

    Example: crypto-assets models promote gas_1h 3 --why "seen to be better over a month"
    """
    from crypto_assets.datasets.models.catalog import forecast
    from crypto_assets.datasets.models.registry.store import promote as make_champion

    name = forecast(model).name
    with opened(context.obj) as (warehouse, _):
        _print_champion(make_champion(warehouse, name, version, user(), reason(why)))


@models_app.command()
def rollback(context: typer.Context, model: Model, why: Why) -> None:
    """Make the champion before the present one champion again.

    Example: crypto-assets models rollback gas_1h --why "errors doubled since yesterday"
    """
    from crypto_assets.datasets.models.catalog import forecast
    from crypto_assets.datasets.models.registry.store import rollback as bring_back

    name = forecast(model).name
    with opened(context.obj) as (warehouse, _):
        _print_champion(bring_back(warehouse, name, user(), reason(why)))


def run_train(
    settings: Settings, models: Sequence[str], learners: Sequence[str], hold_out: float = 0, training_set: str = ""
) -> int:
    """Train one forecast after the other; one that cannot be trained leaves the others.

    Args:
        hold_out: So many days, up to now, are not looked at.
        training_set: Name of a frozen set to learn from; empty for all that is stored.

    Returns:
        Exit code: 1 where a forecast could not be trained, else 0, with skill or without.

    Raises:
        ForecastUnknown, LearnerUnknown: nothing has been begun.
        CryptoAssetsError: a set and days to hold out, which exclude each other.
        SetRefused, SetUnknown, ManifestRefused, FeaturesOutdated: nothing can be learned from that set.
    """
    from crypto_assets.datasets.models.catalog import forecast
    from crypto_assets.datasets.models.registry.train import learners_named, train
    from crypto_assets.training_sets.learning import train_on

    if training_set and hold_out:
        raise CryptoAssetsError(
            "--training-set and --hold-out exclude each other: a set ends where it was frozen to end",
            way_out="Freeze a set with an earlier --to, and score the days behind it.",
        )

    wanted = [forecast(name) for name in dict.fromkeys(models)]
    learners_named(learners)
    failed, store = 0, store_of(settings)
    end = datetime.now(UTC) - timedelta(days=hold_out) if hold_out else None
    with opened(settings) as (warehouse, universe):
        frozen = _frozen(settings, warehouse, training_set, wanted) if training_set else None
        for one in wanted:
            try:
                with _progress(one) as tell:
                    if frozen is None:
                        outcome = train(
                            warehouse, universe, store, one, learners=learners, end=end, by=user(), tell=tell
                        )
                    else:
                        outcome = train_on(warehouse, store, one, frozen, learners=learners, by=user(), tell=tell)
            except CryptoAssetsError as error:
                told = error.problem if one.name in error.problem else f"{one.name}: {error.problem}"
                complain(told, error.way_out)
                failed += 1
                continue
            print_outcome(outcome)
    return int(failed > 0)


def _frozen(settings: Settings, warehouse: Warehouse, name: str, wanted: Sequence[Forecast]) -> TrainingSet:
    """The set, if each of the forecasts can learn from it: who asks for several should not hear of it after the first."""
    from crypto_assets.training_sets.learning import refuse_unfit
    from crypto_assets.training_sets.loading import open_set, shelf_of

    chosen = open_set(shelf_of(settings), name, warehouse)
    for one in wanted:
        refuse_unfit(chosen, one)
    return chosen


def run_score(settings: Settings, model: str, days: float) -> int:
    """Predict and score a forecast's last days, and print a row a domain.

    Returns:
        Exit code: 1 where nothing could be said, else 0.

    Raises:
        ForecastUnknown: naming what there is.
        NoChampion: none was trained, or none had skill.
    """
    from crypto_assets.cli.show_models import print_scores
    from crypto_assets.datasets.models.catalog import forecast
    from crypto_assets.datasets.models.outcomes.score import score_window
    from crypto_assets.datasets.models.predictions.batch import predict_window
    from crypto_assets.datasets.models.predictions.champions import open_champion
    from crypto_assets.datasets.models.predictions.subjects import domains_of
    from crypto_assets.partitions import VenueWindow
    from crypto_assets.resources import latest_of
    from crypto_assets.warehouse.read import reading

    wanted, store, now = forecast(model), store_of(settings), datetime.now(UTC)
    said, scored = [], []
    with opened(settings) as (warehouse, universe), latest_of(settings).telling() as telling:
        with reading(warehouse) as reader:
            open_champion(reader, store, wanted)  # refuses in words where there is none
        for domain in domains_of(universe, wanted):
            window = VenueWindow(domain, now - timedelta(days=days), now)
            said += predict_window(warehouse, universe, store, window, [wanted], tell=telling)
            scored += score_window(warehouse, universe, window, [wanted])
    print_scores(wanted, said, scored)
    return int(not any(one.said for one in said))


def store_of(settings: Settings) -> Store:
    """Where the settings keep artefacts."""
    from crypto_assets.resources import ModelStore

    return ModelStore(settings.model_store_place).store()


def user() -> str:
    """Who runs the command, as the registry notes it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # nobody has that number here, as in some containers
        return "command line"


def reason(why: str) -> str:
    """The reason that was given.

    Raises:
        CryptoAssetsError: it is empty.
    """
    told = " ".join(why.split())
    if not told:
        raise CryptoAssetsError(
            "--why is empty", way_out="Say in a few words why; `crypto-assets models show` tells it to others."
        )
    return told


def print_forecasts(held: dict[str, Registered], newest: dict[str, Registered]) -> None:
    """A row a forecast."""
    from crypto_assets.datasets.models.catalog import FORECASTS

    shown = table("Forecasts", "forecast", ">champion", ">skill", "over", "trained to", ">newest", "its verdict")
    for one in FORECASTS:
        champion, last = held.get(one.name), newest.get(one.name)
        row = ["", "", "", ""]
        if champion is not None:
            until = f"{champion.trained_to:%Y-%m-%d %H:%M}"
            row = [f"{champion.version} {champion.learner}", f"{champion.skill:.1%}", champion.best_baseline, until]
        told = ["", "[dim]never trained[/]"] if last is None else [str(last.version), _verdict_text(last)]
        shown.add_row(one.name, *row, *told)
    OUT.print(shown)
    OUT.print(f"{len(held)} of {len(FORECASTS)} have a champion. Skill: 1 less the error over the best baseline's.")


def print_outcome(outcome: TrainingOutcome) -> None:
    """What came of a training: the verdict of each learner beside every baseline, and who is champion."""
    from crypto_assets.cli.show_models import baselines_table

    for one in outcome.versions:
        OUT.print(baselines_table(one.validation))
        color = "green" if one.validation.has_skill else "yellow"
        OUT.print(
            f"{outcome.model} version {one.registered.version} ({one.registered.learner}):"
            f" [{color}]{escape(one.validation.verdict)}[/]",
            soft_wrap=True,
        )
        became = "It is champion" if one.ruling.promoted else "It stays a candidate"
        why = "" if one.ruling.why == one.validation.verdict else f": {one.ruling.why}"
        OUT.print(f"{became}{escape(why)}.", soft_wrap=True)
    for warning in outcome.warnings:
        NOTICES.print(f"[yellow]Warning:[/] {escape(warning)}", soft_wrap=True)
    if outcome.champion is None:
        OUT.print(f"No version of {outcome.model} is champion: nothing is predicted.")


def _verdict_text(one: Registered) -> str:
    return f"[green]skill {one.skill:.1%}[/]" if one.has_skill else f"[yellow]no skill[/] ({one.skill:.1%})"


def _print_champion(one: Registered) -> None:
    OUT.print(f"Version {one.version} of {one.model} is champion: {escape(one.told_skill)}.", soft_wrap=True)


@contextmanager
def _progress(forecast: Forecast) -> Iterator[Tell]:
    """A bar over the steps of a training."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("steps"),
        TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=NOTICES) as progress:
        task = progress.add_task(forecast.name, total=None)

        def tell(step: Step) -> None:
            progress.update(task, description=f"{step.forecast} {step.doing}", completed=step.done, total=step.of)

        yield tell
        progress.update(task, description=forecast.name, completed=progress.tasks[task].total or 0)

"""The checks of models/registry.

What belongs here: names, severities and the reasons, and how each looks at a forecast's versions. What does not: promoting
(store.py) and bounds (the forecast's declaration).

A series is a forecast and a learner, a window the whole history of a forecast.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

import dagster as dg
from sqlalchemy import select

from crypto_assets.datasets.models.catalog import FORECASTS
from crypto_assets.datasets.models.catalog import forecast as forecast_named
from crypto_assets.datasets.models.registry.champion_drift import drift_of
from crypto_assets.datasets.models.registry.registered import Registered, all_versions
from crypto_assets.datasets.models.registry.store import reigns_of
from crypto_assets.datasets.models.registry.table import DATASET, promotions
from crypto_assets.forecasting.artefacts import ArtefactUnusable, Store
from crypto_assets.forecasting.drift import Drift
from crypto_assets.forecasting.frame import FrameRefused
from crypto_assets.forecasting.loading import load
from crypto_assets.forecasting.validation_report import ReportUnreadable
from crypto_assets.partitions import VenueWindow
from crypto_assets.quality.checks import Rule, evaluate
from crypto_assets.quality.findings import Dimension, Finding
from crypto_assets.resources import ModelStore, UniverseFile
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse
from crypto_assets.warehouse.read import read_frame

# A champion that no candidate of four trainings could beat may be that good, or the trainings have ceased.
TRAININGS = 4


@dataclass(frozen=True)
class Stood:
    """A forecast as the registry has it.

    Args:
        model: Its name.
        versions: All of them, in order; at least one.
        reigns: Versions that were champion, as one would return to them; the present one last.
        store: Where artefacts lie.
        at: The present, UTC.
        drift: How far the last window lies from what a version learned.
    """

    model: str
    versions: Sequence[Registered]
    reigns: Sequence[int]
    store: Store
    at: datetime
    drift: Callable[[Registered], Drift]

    @property
    def champions(self) -> list[Registered]:
        """Those that answer for the forecast."""
        return [one for one in self.versions if one.is_champion]


def skill_above_baseline(stood: Stood) -> list[Finding]:
    """The version trained last has skill."""
    last = stood.versions[-1]
    return [Finding(stood.model, last.learner, "", 1, int(not last.has_skill), last.verdict)]


def one_champion(stood: Stood) -> list[Finding]:
    """No more champions than one; it has skill, and it is the one that the changes of champion lead to."""
    present, due = [one.version for one in stood.champions], list(stood.reigns[-1:])
    broken = present != due or not all(one.has_skill for one in stood.champions)
    told = f"champions {present}, by models.promotions {due}" if broken else ""
    learner = next((one.learner for one in stood.champions), stood.versions[-1].learner)
    return [Finding(stood.model, learner, "", 1, int(broken), told)]


def artefacts_are_whole(stood: Stood) -> list[Finding]:
    """What serves, what one could roll back to and what was trained last can be loaded, byte for byte as it was stored."""
    needed = {*stood.reigns, stood.versions[-1].version, *(one.version for one in stood.champions)}
    findings = []
    for one in stood.versions:
        if one.version in needed:
            problem = _problem(stood.store, one.artefact_sha256)
            told = f"version {one.version}: {problem}" if problem else ""
            findings.append(Finding(stood.model, one.learner, "", 1, int(bool(problem)), told))
    return findings


def champion_is_fresh(stood: Stood) -> list[Finding]:
    """The champion learned from what came to pass in the last four weeks, where forecasts are trained weekly."""
    bound = TRAININGS * forecast_named(stood.model).retrain.every
    findings = []
    for one in stood.champions:
        age = stood.at - one.trained_to
        told = f"version {one.version} learned up to {one.trained_to:%Y-%m-%d %H:%M}" if age > bound else ""
        lag = max(age, timedelta()).total_seconds()
        findings.append(Finding(stood.model, one.learner, "", 1, int(age > bound), told, lag_seconds=lag))
    return findings


def drift_below_bound(stood: Stood) -> list[Finding]:
    """What the champion sees, and how wrong it is, is within the declaration's bounds of what it learned from."""
    findings = []
    for one in stood.champions:
        try:
            drift = stood.drift(one)
            is_over, told = drift.is_over, drift.told()
        except (FrameRefused, ReportUnreadable) as error:  # it learned from something that is not there any more
            is_over, told = True, error.problem
        findings.append(Finding(stood.model, one.learner, "", 1, int(is_over), told if is_over else ""))
    return findings


def stood(warehouse: Warehouse, universe: Universe, store: Store, model: str, at: datetime) -> Stood | None:
    """A forecast as the registry has it; None where nothing of it is registered."""
    versions = all_versions(warehouse, [model])
    if not versions:
        return None
    c = promotions.c
    history = read_frame(warehouse, select(c.action, c.version).where(c.model == model).order_by(c.promoted_at))
    reigns = reigns_of([(str(action), int(version)) for action, version in history.itertuples(index=False)])
    return Stood(model, versions, reigns, store, at, lambda one: drift_of(warehouse, universe, one, at))


def _problem(store: Store, digest: str) -> str:
    try:
        load(store, digest)
    except ArtefactUnusable as error:
        return error.problem
    return ""


@dataclass(frozen=True)
class Truth:
    """A check: as `quality.checks.Rule`, over what the registry and the store say of a forecast."""

    name: str
    description: str
    dimension: Dimension
    look: Callable[[Stood], list[Finding]]
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
    blocking: bool = False

    def over(self, store: Store) -> Rule:
        """The rule that looks into this store."""

        def look(warehouse: Warehouse, universe: Universe, window: VenueWindow) -> list[Finding]:
            found = stood(warehouse, universe, store, window.venue, window.end)
            return self.look(found) if found else []

        return Rule(self.name, self.description, self.dimension, look, self.severity, self.blocking)


TRUTHS = (
    Truth(
        "skill_above_baseline",
        "The version trained last beats the best baseline by the forecast's bound of promotion, and beyond chance.",
        Dimension.ACCURACY,
        skill_above_baseline,
        severity=dg.AssetCheckSeverity.WARN,
    ),
    Truth(
        "one_champion",
        "At most one version is champion, it has skill, and it is the one that the last change in models.promotions made so.",
        Dimension.ACCURACY,
        one_champion,
        blocking=True,
    ),
    Truth(
        "artefacts_are_whole",
        "The files of the champion, of those before it and of the newest version hash to what was registered, and load.",
        Dimension.COMPLETENESS,
        artefacts_are_whole,
    ),
    Truth(
        "champion_is_fresh",
        f"The champion's newest truth is no older than {TRAININGS} of its forecast's intervals of training.",
        Dimension.TIMELINESS,
        champion_is_fresh,
        severity=dg.AssetCheckSeverity.WARN,
    ),
    Truth(
        "drift_below_bound",
        "The inputs of the last window are distributed as those the champion learned from, and its errors out of sample are as"
        " those of validation, within the forecast's bounds of retraining.",
        Dimension.ACCURACY,
        drift_below_bound,
        severity=dg.AssetCheckSeverity.WARN,
    ),
)


def windows_of(context: dg.AssetCheckExecutionContext, universe: Universe) -> list[VenueWindow]:
    """A window for each forecast of the run, or for all where a check runs by itself."""
    tags = context.run.tags
    is_partitioned = "dagster/partition" in tags or "dagster/asset_partition_range_start" in tags
    names = list(context.partition_keys) if is_partitioned else [one.name for one in FORECASTS]
    start, now = datetime.combine(universe.history_from, time(), tzinfo=UTC), datetime.now(UTC)
    return [VenueWindow(name, start, now) for name in names]


def _check(truth: Truth) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=dg.AssetKey(DATASET.split("/")),
        name=truth.name,
        description=truth.description,
        blocking=truth.blocking,
        metadata={"dimension": truth.dimension.value},
    )
    def check(
        context: dg.AssetCheckExecutionContext,
        warehouse: dg.ResourceParam[Warehouse],
        universe_file: dg.ResourceParam[UniverseFile],
        model_store: dg.ResourceParam[ModelStore],
    ) -> dg.AssetCheckResult:
        universe = universe_file.in_force().universe
        windows = windows_of(context, universe)
        return evaluate(
            DATASET, truth.over(model_store.store()), warehouse, universe, windows, run_id=context.run.run_id
        )

    return check


CHECKS = [_check(truth) for truth in TRUTHS]

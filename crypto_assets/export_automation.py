"""Exports as assets: downstream of what they are of, on the same partitions, so that they refresh and can be backfilled.

What belongs here: the assets, their checks, and when they run. What does not: exporting (crypto_assets/exports).

By hand or by a backfill any of them can be materialized. By itself an export follows its source where the universe names
formats (`exports.formats`): whenever a partition of the source was renewed and no run is at work on it. A run looks at the
files of its partitions and writes those whose content has changed; so a partition that was collected again with the same
result costs a look.
"""

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from crypto_assets.datasets.outcomes import SHOWN, Described, told_to_dagster
from crypto_assets.exports.catalog import COVERAGE, DATASETS, Exported
from crypto_assets.exports.export import export
from crypto_assets.exports.manifest import read_manifest
from crypto_assets.exports.place import default_place
from crypto_assets.exports.qlib_series import FOR_QLIB
from crypto_assets.exports.selection import Selection
from crypto_assets.exports.verify import Verified, Wrong, verify
from crypto_assets.exports.work import Outcome, Report, Target
from crypto_assets.exports.writers import FileFormat
from crypto_assets.partitions import MONTH, NETWORK, VENUE, VenueWindow, hours, venue_days, venue_windows
from crypto_assets.resources import UniverseFile
from crypto_assets.schema.dagster_schema import table_schema
from crypto_assets.settings import Settings
from crypto_assets.universe import Universe
from crypto_assets.warehouse.connection import Warehouse

GROUP = "exports"
POOL = "exports"  # how many of these run at once; its limit stands in dagster.yaml
WHEN_NONE_IS_NAMED = (FileFormat.PARQUET,)
_ALWAYS = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
_DATE, _HOUR = (re.compile(pattern, re.ASCII) for pattern in (r"\d{4}-\d\d-\d\d", r"\d{4}-\d\d-\d\d-\d\d:\d\d"))

type Condition = dg.AutomationCondition[dg.AssetKey | dg.AssetCheckKey]


@dataclass(frozen=True)
class ExportStore:
    """Where a profile's exports go.

    Args:
        place: Of the exports of all profiles: a folder, or an address that fsspec knows.
        profile: Its name, which is the folder below.
    """

    place: str
    profile: str

    def target(self, kind: FileFormat) -> Target:
        """The place in a format; a run waits for another one that writes the same dataset."""
        return Target(default_place(self.place, self.profile), self.profile, kind, wait=True)


class ExportConfig(dg.Config):
    """What a run writes."""

    formats: list[str] = Field(
        default=[], description="parquet, csv, qlib, arrow. Empty: exports.formats of the universe, else parquet."
    )
    again: bool = Field(default=False, description="Write unchanged files, too.")


def export_resources(settings: Settings) -> dict[str, object]:
    """What the assets and checks of exports are given besides."""
    return {"exports": ExportStore(settings.export_place, settings.profile)}


def asset_key(name: str) -> dg.AssetKey:
    """The asset of an export."""
    return dg.AssetKey([GROUP, name])


def export_assets(sources: Sequence[dg.AssetsDefinition], universe: Universe) -> list[dg.AssetsDefinition]:
    """An asset for each dataset that can be exported; the gap ledger goes with the bars.

    Args:
        sources: The assets that they are of.
    """
    specs = {spec.key: spec for source in sources for spec in source.specs}
    return [
        _asset(one, specs[dg.AssetKey(one.asset.split("/"))], universe)
        for name, one in DATASETS.items()
        if name != COVERAGE
    ]


def export_checks() -> list[dg.AssetChecksDefinition]:
    """Whether files hold what is stored, and are what was written."""
    return [
        check for name, one in DATASETS.items() if name != COVERAGE for check in (_rows_check(one), _files_check(one))
    ]


def after_source() -> Condition:
    """Requests each partition whose source was renewed, once no run works on either."""
    condition = dg.AutomationCondition
    handled = condition.newly_requested() | condition.newly_updated()
    changed = condition.any_deps_updated().since(handled)
    is_quiet = ~condition.any_deps_in_progress() & ~condition.in_progress()
    return (changed & is_quiet).with_label("after_source")


def selections(one: Exported, keys: Iterable[str] | None, kind: FileFormat) -> list[Selection]:
    """What the partitions of a run choose of a dataset; None for all of it. Pure.

    Of months, days and hours just these are looked at, and of venues and networks, too, where the export is cut by them. What
    happens once for all is small: it is looked at as a whole, for news of a day may be scored on another. Qlib's files hold the
    whole history of a venue's markets.
    """
    windows = _windows(list(keys)) if keys is not None else [VenueWindow("", *_ALWAYS)]
    chosen: dict[Selection, None] = {}
    for window in windows:
        domains = (window.venue,) if window.venue and one.domain in {VENUE, NETWORK} else ()
        is_bounded = bool(one.time) and kind is not FileFormat.QLIB and (window.start, window.end) != _ALWAYS
        times = (window.start, window.end) if is_bounded else (None, None)
        chosen[Selection(domains, *times)] = None
    return list(chosen)


def formats_of(one: Exported, wanted: Sequence[str], universe: Universe) -> list[FileFormat]:
    """The formats that a run writes, of those that the dataset has. Pure."""
    named = [FileFormat(name) for name in (wanted or universe.exports.formats)] or list(WHEN_NONE_IS_NAMED)
    return [kind for kind in dict.fromkeys(named) if kind is not FileFormat.QLIB or one.name in FOR_QLIB]


def describe(reports: Sequence[Report], seconds: float) -> Described:
    """What the UI shows: counts, sizes, and a row a file that was written or is gone. Pure."""
    files = [(report, one) for report in reports for one in report.files]
    first = {(report.dataset, report.kind) for report in reports[:1]}  # rows of the other formats are the same ones
    written = [one for _, one in files if one.outcome is Outcome.WRITTEN]
    shown = [(report, one) for report, one in files if one.outcome is not Outcome.UNCHANGED][:SHOWN]
    records = [
        dg.TableRecord(
            {
                "file": f"{report.kind}/{report.dataset}/{one.name}",
                "rows": one.rows,
                "bytes": one.bytes,
                "outcome": one.outcome.value,
            }
        )
        for report, one in shown
    ]
    return {
        "dagster/row_count": dg.MetadataValue.int(
            sum(one.rows for report, one in files if (report.dataset, report.kind) in first)
        ),
        "rows_written": dg.MetadataValue.int(sum(one.rows for one in written)),
        "bytes_written": dg.MetadataValue.int(sum(one.bytes for one in written)),
        "files_written": dg.MetadataValue.int(len(written)),
        "files_unchanged": dg.MetadataValue.int(sum(one.outcome is Outcome.UNCHANGED for _, one in files)),
        "files_gone": dg.MetadataValue.int(sum(one.outcome is Outcome.GONE for _, one in files)),
        "places": dg.MetadataValue.md("\n".join(f"- {place}" for place in sorted({one.place for one in reports}))),
        "seconds": dg.MetadataValue.float(round(seconds, 2)),
        "files": dg.MetadataValue.table(records or [dg.TableRecord({"file": "nothing has changed"})]),
    }


def _asset(one: Exported, source: dg.AssetSpec, universe: Universe) -> dg.AssetsDefinition:
    follows = bool(universe.exports.formats and formats_of(one, (), universe))

    @dg.asset(
        key=asset_key(one.name),
        deps=[source.key],
        partitions_def=source.partitions_def,
        backfill_policy=dg.BackfillPolicy.single_run(),
        # An export that follows its source is as fresh as that; one that is made by hand is never late.
        freshness_policy=source.freshness_policy if follows else None,
        automation_condition=after_source() if follows else None,
        pool=POOL,
        group_name=GROUP,
        kinds={"python", "parquet"},
        metadata={"dagster/column_schema": table_schema(one.table), "dagster/table_name": one.table.fullname},
        description=f"Files of {one.table.fullname}, written where their content has changed.",
    )
    def exported(
        context: dg.AssetExecutionContext,
        config: ExportConfig,
        warehouse: dg.ResourceParam[Warehouse],
        universe_file: dg.ResourceParam[UniverseFile],
        exports: dg.ResourceParam[ExportStore],
    ) -> dg.MaterializeResult[None]:
        began = time.monotonic()
        with told_to_dagster():
            kinds = formats_of(one, _known(config.formats), universe_file.in_force().universe)
            reports = [
                report
                for kind in kinds
                for selection in selections(one, context.partition_keys, kind)
                for report in _carried_out(warehouse, one, selection, exports, kind, again=config.again)
            ]
        for report in reports:
            context.log.info("%s as %s: %s", report.dataset, report.kind, _told(report))
        _refuse_failed(reports)
        return dg.MaterializeResult(metadata=describe(reports, time.monotonic() - began))

    return exported


def _carried_out(
    warehouse: Warehouse, one: Exported, selection: Selection, exports: ExportStore, kind: FileFormat, *, again: bool
) -> list[Report]:
    report = export(warehouse, one, selection, replace(exports.target(kind), anew=again))
    return [report, *report.beside]


def _known(formats: Sequence[str]) -> Sequence[str]:
    """The names as they are.

    Raises:
        Failure: one is no format.
    """
    unknown = sorted(set(formats) - {kind.value for kind in FileFormat})
    if unknown:
        there = ", ".join(kind.value for kind in FileFormat)
        raise dg.Failure(f"No format is called {', '.join(unknown)}; there are {there}.", allow_retries=False)
    return formats


def _refuse_failed(reports: Sequence[Report]) -> None:
    failed = [one for report in reports for one in report.those(Outcome.FAILED)]
    if failed:
        told = f"{len(failed)} files could not be written, first {failed[0].name}: {failed[0].why}"
        raise dg.Failure(told, allow_retries=False)


def _told(report: Report) -> str:
    counts: dict[str, int] = {}
    for one in report.files:
        counts[one.outcome.value] = counts.get(one.outcome.value, 0) + 1
    told = ", ".join(f"{count} files {outcome}" for outcome, count in counts.items()) or "nothing is stored"
    return f"{told}, {report.seconds:.1f} s, in {report.place}"


def _rows_check(one: Exported) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset_key(one.name),
        name="files_hold_all_rows",
        description="Every file holds the rows that are stored now; a stream may have brought more since.",
        metadata={"dimension": "none"},
    )
    def check(
        context: dg.AssetCheckExecutionContext,
        warehouse: dg.ResourceParam[Warehouse],
        exports: dg.ResourceParam[ExportStore],
    ) -> dg.AssetCheckResult:
        found = _verified(context, warehouse, one, exports, hashes=False)
        return _judged(found, (Wrong.BEHIND, Wrong.LACKING), dg.AssetCheckSeverity.WARN)

    return check


def _files_check(one: Exported) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset_key(one.name),
        name="files_are_whole",
        description="Every file that the manifest names is there and has the hash that it was written with.",
        metadata={"dimension": "none"},
    )
    def check(
        context: dg.AssetCheckExecutionContext,
        warehouse: dg.ResourceParam[Warehouse],
        exports: dg.ResourceParam[ExportStore],
    ) -> dg.AssetCheckResult:
        found = _verified(context, warehouse, one, exports, hashes=True)
        return _judged(found, (Wrong.MISSING, Wrong.ALTERED), dg.AssetCheckSeverity.ERROR)

    return check


def _verified(
    context: dg.AssetCheckExecutionContext, warehouse: Warehouse, one: Exported, exports: ExportStore, *, hashes: bool
) -> Mapping[str, list[Verified]]:
    """What there is to say of the run's files, by format; of those formats that have been exported."""
    tags = context.run.tags
    is_partitioned = "dagster/partition" in tags or "dagster/asset_partition_range_start" in tags
    keys = list(context.partition_keys) if is_partitioned else None
    kinds = [kind for kind in FileFormat if kind is not FileFormat.QLIB or one.name in FOR_QLIB]
    return {
        kind.value: [
            verify(warehouse, one, selection, exports.target(kind), hashes=hashes)
            for selection in selections(one, keys, kind)
        ]
        for kind in kinds
        if read_manifest(exports.target(kind).folder(one)) is not None
    }


def _judged(
    found: Mapping[str, list[Verified]], kinds: tuple[Wrong, ...], severity: dg.AssetCheckSeverity
) -> dg.AssetCheckResult:
    problems = [(name, problem) for name, parts in found.items() for part in parts for problem in part.those(*kinds)]
    every = [part for parts in found.values() for part in parts]
    metadata: Described = {
        "formats": dg.MetadataValue.text(", ".join(found) or "none is exported"),
        "files": dg.MetadataValue.int(sum(part.files for part in every)),
        "rows_in_files": dg.MetadataValue.int(sum(part.rows for part in every)),
        "rows_stored": dg.MetadataValue.int(sum(part.stored for part in every)),
        "rows_gone_from_the_database": dg.MetadataValue.int(sum(part.gone for part in every)),
    }
    if problems:
        metadata["problems"] = dg.MetadataValue.table(
            [
                dg.TableRecord(
                    {"file": f"{name}/{one.name}", "problem": one.wrong.value, "rows": one.rows, "stored": one.stored}
                )
                for name, one in problems[:SHOWN]
            ]
        )
    return dg.AssetCheckResult(passed=not problems, severity=severity, metadata=metadata)


def _windows(keys: Sequence[str]) -> list[VenueWindow]:
    """The fewest windows that cover keys of any grid; those of a venue alone and of what happens once for all are unbounded."""
    first = keys[0]
    if isinstance(first, dg.MultiPartitionKey):
        return venue_windows(keys) if MONTH in first.keys_by_dimension else venue_days(keys)
    if _HOUR.fullmatch(first):
        return hours(keys)
    if _DATE.fullmatch(first):
        return [VenueWindow("", *_ALWAYS)]
    return [VenueWindow(key, *_ALWAYS) for key in sorted(keys)]


__all__ = [
    "ExportConfig",
    "ExportStore",
    "after_source",
    "export_assets",
    "export_checks",
    "export_resources",
    "selections",
]

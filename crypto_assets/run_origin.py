"""What a run of Dagster works for, told to its database sessions and its log lines.

What belongs here: the resource that every asset, check and op is given in the warehouse's place, and the asset's name on log
lines. What does not: what becomes of it (warehouse/writes.py, logs.py).
"""

import logging
from collections.abc import Iterator, Mapping

import dagster as dg
from structlog.typing import EventDict, WrappedLogger

from crypto_assets.logs import JSON, bind_origin, configure_logs, json_formatter, release_origin
from crypto_assets.origin import Origin, origin_of_run, partition_of
from crypto_assets.settings import Settings
from crypto_assets.warehouse.connection import Warehouse

_WAREHOUSE = "warehouse"


def traced(resources: Mapping[str, object]) -> dict[str, object]:
    """The same resources, the warehouse replaced by one that says for which run it is used."""
    warehouse = resources[_WAREHOUSE]
    if not isinstance(warehouse, Warehouse):
        raise TypeError(f"expected a Warehouse, and got {type(warehouse).__name__}")
    return {**resources, _WAREHOUSE: warehouse_of_runs(warehouse)}


def warehouse_of_runs(warehouse: Warehouse) -> dg.ResourceDefinition:
    """The warehouse, on behalf of the run that asks for it; sensors and schedules get it as it is."""

    @dg.resource(description="The warehouse; what a run writes there leads back to the run.")
    def of_run(context: dg.InitResourceContext) -> Iterator[Warehouse]:
        run = context.run
        if run is None:
            yield warehouse
            return
        origin = origin_of_run(run.run_id, run.tags)
        bind_origin(origin, partition_of(run.tags))
        try:
            yield warehouse.on_behalf_of(origin)
        finally:
            release_origin()

    return of_run


def origin_of(context: dg.OpExecutionContext) -> Origin:
    """What an op's run works for."""
    return origin_of_run(context.run.run_id, context.run.tags)


def log_runs(settings: Settings) -> None:
    """Configure the log lines of a process that loads the definitions: code server, run worker."""
    level = settings.log_level if "log_level" in settings.model_fields_set else "INFO"
    configure_logs(level, settings.log_format, more=[_add_asset])
    # Dagster makes the console of each run a logger of the class that is set.
    logging.setLoggerClass(_RunConsole if settings.log_format == JSON else logging.Logger)


class _RunConsole(logging.Logger):
    """What Dagster tells of a run on standard error, as JSON."""

    def addHandler(self, hdlr: logging.Handler) -> None:  # noqa: N802 - the base class calls it so
        """Take a handler, in our shape where it is that of Dagster's console."""
        if self.name == "dagster":
            hdlr.setFormatter(json_formatter([_add_run]))
        super().addHandler(hdlr)


def _add_run(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """What Dagster's record of an event says beside its words."""
    told = getattr(event.get("_record"), "dagster_meta", None) or {}
    said = {"event": told["orig_message"]} if "orig_message" in told else {}
    if "run_id" not in told:  # a sensor or a schedule speaks
        return {**event, **said, **({"triggered_by": told["name"]} if "name" in told else {})}
    tags, step = told["job_tags"] or {}, told["dagster_event"]
    origin = origin_of_run(told["run_id"] or "", tags)
    more = {
        "correlation_id": origin.run_id, "triggered_by": origin.triggered_by, "request": origin.request,
        "partition": partition_of(tags), "job": told["job_name"], "op": told["op_name"],
        "dagster_event": step.event_type_value if step is not None else None,
    }  # fmt: skip
    return {**event, **said, **{name: value for name, value in more.items() if value}}


def _add_asset(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The asset or op that is at work in this context, where one is."""
    try:
        context = dg.OpExecutionContext.get()
    except dg.DagsterInvariantViolationError:  # nothing is executed here
        return event
    if context.has_assets_def:
        event.setdefault("asset", ", ".join(sorted(key.to_user_string() for key in context.selected_asset_keys)))
    else:
        event.setdefault("op", context.op_def.name)
    return event

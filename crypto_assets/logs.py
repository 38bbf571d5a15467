"""Log lines: how they look, where they go, and the id that joins them, from a schedule's tick to a row.

What belongs here: structlog's configuration and what every line carries. What does not: errors and answers of the terminal
(cli/console.py), and what Dagster knows of a run (run_origin.py, which binds it).

A line of JSON has `time` (ISO 8601, UTC), `level`, `event`, `logger`; while an origin is bound `correlation_id` (the run of
Dagster, or the command's own), `triggered_by` and `request`; and whatever the call said. Lines go to standard error: standard
output belongs to answers and reports.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from typing import cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from crypto_assets.origin import Origin

JSON, CONSOLE = "json", "console"
_BOUND = ("correlation_id", "triggered_by", "request", "partition")


class NamedLogger(structlog.PrintLogger):
    """Prints to standard error as it is now: the stream may be another one by the next line, or closed.

    Args:
        name: Of the module that logs.
    """

    def __init__(self, name: str) -> None:
        super().__init__(sys.stderr)
        self.name = name


def configure_logs(level: str, form: str = CONSOLE, more: Sequence[Processor] = ()) -> None:
    """Send log lines from `level` on to standard error.

    Args:
        level: DEBUG, INFO, WARNING or ERROR.
        form: "console" for people, "json" for machines; then lines of other libraries' loggers are JSON, too.
        more: What adds to each line besides.
    """
    shared = _shared(more)
    last: list[Processor]
    if form == JSON:
        last = _for_machines()
        _others_as_json(level, json_formatter(more))
    else:
        last = [
            _without_name,
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=True),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_logger_of,
    )


def json_formatter(more: Sequence[Processor] = ()) -> logging.Formatter:
    """Gives lines of the standard library's loggers the same shape.

    Args:
        more: What adds to each line besides; the record stands in `_record`.
    """
    *before, render = _for_machines()
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_shared(more), *before],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
    )


def is_json() -> bool:
    """Whether lines are JSON, so that what else goes to standard error should be too."""
    processors = cast("Sequence[object]", structlog.get_config()["processors"])
    return isinstance(processors[-1], structlog.processors.JSONRenderer)


def always(origin: Origin) -> Processor:
    """Adds an origin to the lines of every thread: for processes that work for one alone."""
    told = {name: value for name, value in zip(_BOUND, _values(origin), strict=False) if value}

    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {**told, **event}

    return add


def bound_origin() -> Origin:
    """What is bound in this thread's context; nothing where nothing is."""
    bound = structlog.contextvars.get_contextvars()
    return Origin(*(str(bound.get(name, "")) for name in _BOUND[:3]))


def bind_origin(origin: Origin, partition: str = "") -> None:
    """Put these on every line of this thread's context from now on; what is empty is left out, and what was bound goes."""
    release_origin()
    told = zip(_BOUND, (*_values(origin), partition), strict=True)
    structlog.contextvars.bind_contextvars(**{name: value for name, value in told if value})


def release_origin() -> None:
    """Take them off again."""
    structlog.contextvars.unbind_contextvars(*_BOUND)


def _line(event: EventDict, **_: object) -> str:
    """An object in one line. What JSON has no word for is text: NaN and infinities, and what keys are no text in, too."""
    try:
        return json.dumps(event, default=str, allow_nan=False)
    except (TypeError, ValueError):
        finite = {name: value if not isinstance(value, float) else str(value) for name, value in event.items()}
        nested = {name: value if isinstance(value, str | int | None) else str(value) for name, value in finite.items()}
        return json.dumps(nested)


def _values(origin: Origin) -> tuple[str, str, str]:
    return origin.run_id, origin.triggered_by, origin.request


def _logger_of(*names: object) -> NamedLogger:
    return NamedLogger(str(names[0]) if names else "crypto_assets")


def _add_name(logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    record = event.get("_record")  # of another library's logger
    event["logger"] = record.name if isinstance(record, logging.LogRecord) else getattr(logger, "name", "crypto_assets")
    return event


def _without_name(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """People look at the words."""
    event.pop("logger", None)
    return event


def _shared(more: Sequence[Processor]) -> list[Processor]:
    return [structlog.contextvars.merge_contextvars, *more, structlog.processors.add_log_level, _add_name]


def _for_machines() -> list[Processor]:
    return [
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(_line),
    ]


def _others_as_json(level: str, formatter: logging.Formatter) -> None:
    """Lines of the standard library's loggers, as asyncio and aiohttp use them."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for other in [one for one in root.handlers if isinstance(one.formatter, structlog.stdlib.ProcessorFormatter)]:
        root.removeHandler(other)
    root.addHandler(handler)
    logging.captureWarnings(True)
    # A library's debug lines may hold addresses with keys in them.
    root.setLevel(max(logging.getLevelName(level), logging.WARNING))

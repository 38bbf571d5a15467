"""How the command line talks: one console for answers, one for notices, errors in one line.

What belongs here: consoles, the shape of an error, the common look of tables. What does not: commands.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.logs import CONSOLE, always, bind_origin, configure_logs, is_json
from crypto_assets.origin import Origin

OUT = Console(highlight=False)
NOTICES = Console(stderr=True, highlight=False)


def table(title: str, *columns: str) -> Table:
    """An empty table; columns that start with '>' hold numbers."""
    made = Table(title=title, title_justify="left", title_style="bold", header_style="bold", expand=False)
    for column in columns:
        made.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left", overflow="fold")
    return made


@contextmanager
def clear_errors(*, debug: bool) -> Iterator[None]:
    """Errors that we understand become one line with a way out and exit code 1; others ask for --debug, exit code 2."""
    try:
        yield
    except CryptoAssetsError as error:
        if debug:
            raise
        complain(error.problem, error.way_out)
        sys.exit(1)
    except (KeyboardInterrupt, BrokenPipeError):
        NOTICES.print("[yellow]Stopped.[/] What was committed is kept; the same command resumes.")
        sys.exit(130)
    except Exception as error:
        if debug:
            raise
        complain(
            f"Unexpected {type(error).__name__}: {_first_line(error)}",
            "Run it again with --debug and report what it shows.",
        )
        sys.exit(2)


def write_file(path: Path, text: str) -> None:
    """Write an answer to a file, and say so.

    Raises:
        CryptoAssetsError: it cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CryptoAssetsError(f"Cannot write {path}: {error.strerror}", way_out="Name another file.") from None
    OUT.print(f"Wrote {escape(str(path))}.")


def log_to_stderr(level: str, form: str = CONSOLE) -> None:
    """Send log lines from `level` on to standard error: standard output belongs to answers that others read."""
    configure_logs(level, form)


def log_command(level: str, form: str, parents: str | None, command: str) -> None:
    """The same for a command of the terminal, whose lines and writes bear an id: its parent's, or one of its own.

    Args:
        level: DEBUG, INFO, WARNING or ERROR.
        form: "console" or "json".
        parents: What the process that started it said of itself, as JSON; None where it was a person's shell.
        command: Its name.
    """
    origin = Origin.from_json(parents)
    if not origin.run_id:
        origin = Origin(f"command-{uuid.uuid4().hex[:12]}", "command line", command)
    configure_logs(level, form, more=[always(origin)])
    bind_origin(origin)


def complain(problem: str, way_out: str = "") -> None:
    """One error: the problem, then the way out, on standard error."""
    if is_json():
        structlog.get_logger("crypto_assets.cli").error(problem, way_out=way_out)
        return
    NOTICES.print(f"[bold red]Error:[/] {escape(problem)}", soft_wrap=True)
    if way_out:
        NOTICES.print(f"[dim]→[/] {escape(way_out)}", soft_wrap=True)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0][:300]

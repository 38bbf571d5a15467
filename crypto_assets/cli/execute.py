"""`crypto-assets exec`: another program with the environment that ours gives its own children.

What belongs here: becoming that program. What does not: the environment (environment.py), and shells (`crypto-assets env`).
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from crypto_assets.errors import CryptoAssetsError
from crypto_assets.settings import Settings, inherited_environment


class ProgramNotFound(CryptoAssetsError):
    """There is no program of that name."""


def execute(
    context: typer.Context,
    program: Annotated[list[str], typer.Argument(help="The program and its arguments, behind --.")],
) -> None:
    """Become another program, with databases found, migrated and named in its environment.

    For containers and service managers, where each of Dagster's processes is a service of its own.

    Example: crypto-assets exec -- dagster-daemon run -w workspace.yaml
    """
    settings: Settings = context.obj
    path = found_program(program[0])
    from crypto_assets.cli.environment import Environment
    from crypto_assets.cli.instance import prepare_instance

    with Environment(settings, keep_server=True) as environment:
        prepare_instance(environment)
        told = {**inherited_environment(), **environment.child_variables()}
    sys.stdout.flush()
    os.execve(path, program, told)  # noqa: S606 - what its user named, without a shell


def found_program(name: str) -> str:
    """The path of a program: beside ours, where Dagster's are, else on the path.

    Raises:
        ProgramNotFound: there is none.
    """
    beside = Path(sys.executable).parent / name
    path = str(beside) if "/" not in name and os.access(beside, os.X_OK) else shutil.which(name)
    if path is None:
        raise ProgramNotFound(
            f"There is no program '{name[:60]}'",
            way_out="Write it behind --, as: crypto-assets exec -- dagster-daemon run",
        )
    return path

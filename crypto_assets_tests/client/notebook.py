"""Runs a notebook: its cells of code, in order, in one namespace; what each prints is its output.

What belongs here: that. What does not: assertions. Jupyter and nbclient bring some thirty packages and a kernel process with
sockets; what they add to `exec` (rich display, interrupts) no notebook here uses.
"""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

type Notebook = dict[str, Any]  # nbformat 4


def load(path: Path) -> Notebook:
    notebook: Notebook = json.loads(path.read_text())
    assert notebook["nbformat"] == 4
    return notebook


def save(path: Path, notebook: Notebook) -> None:
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


def run(notebook: Notebook) -> Notebook:
    """The same notebook with the outputs of this run; an exception of a cell is raised with the cell's number."""
    cells, namespace, count = [], {"__name__": "__main__"}, 0
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            cells.append(cell)
            continue
        count += 1
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(compile("".join(cell["source"]), f"cell {count}", "exec"), namespace)  # noqa: S102 - our own notebook
        text = printed.getvalue().splitlines(keepends=True)
        outputs = [{"name": "stdout", "output_type": "stream", "text": text}] if text else []
        cells.append({**cell, "execution_count": count, "outputs": outputs})
    return {**notebook, "cells": cells}

"""Every error that the package raises on purpose, by the module that raises it, read from the sources.

What belongs here: from the class statements to Markdown. What does not: meanings; they stand in the docstrings.
"""

from __future__ import annotations

import ast
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[2] / "crypto_assets"
_ROOT = "CryptoAssetsError"


def render() -> str:
    """A table of all of them."""
    rows = ["| error | is a | when | declared in |", "|---|---|---|---|"]
    for name, (parent, meaning, module) in sorted(declared().items()):
        rows.append(f"| `{name}` | `{parent}` | {meaning} | `{module}` |")
    return "\n".join(rows) + "\n"


def declared() -> dict[str, tuple[str, str, str]]:
    """Name → parent, meaning and module of every class below CryptoAssetsError, near or far."""
    classes: dict[str, tuple[str, str, str]] = {}
    for path in sorted(_PACKAGE.rglob("*.py")):
        module = ".".join(("crypto_assets", *path.relative_to(_PACKAGE).with_suffix("").parts))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and node.bases and isinstance(node.bases[0], ast.Name):
                meaning = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
                classes[node.name] = (node.bases[0].id, meaning.replace("|", "\\|").replace("<", "&lt;"), module)
    ours = {_ROOT}
    while True:
        more = {name for name, (parent, *_) in classes.items() if parent in ours} - ours
        if not more:
            return {name: classes[name] for name in ours if name != _ROOT}
        ours |= more

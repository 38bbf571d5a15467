"""The reference of config/universe.yaml: each section's keys from the models, its shipped text with the reasons beside it.

What belongs here: from the models and the file to Markdown. What does not: meanings, bounds and reasons; they stand there.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from crypto_assets.universe import Universe

_FILE = Path(__file__).resolve().parents[2] / "config" / "universe.yaml"
_LONGEST = 60  # characters of a default that a cell of a table takes


def render() -> str:
    """A heading for each section."""
    excerpts = _sections(_FILE.read_text(encoding="utf-8"))
    parts = []
    plain = {name: field for name, field in Universe.model_fields.items() if _models(field.annotation) == []}
    whole = "\n\n".join(excerpts[name].strip() for name in plain if name in excerpts)
    parts += ["## The whole file\n", *_table(plain, {}), _shipped(whole)]
    for name, field in Universe.model_fields.items():
        if name in plain:
            continue
        parts.append(f"\n## {name}\n")
        parts += _tables(name, field.annotation)
        parts.append(_shipped(excerpts.get(name, "")))
    return "\n".join(parts)


def _tables(path: str, annotation: object) -> Iterator[str]:
    for model in _models(annotation):
        said, meanings = _docstring(model)
        yield f"{said}\n"
        yield from _table(model.model_fields, meanings)
        for name, field in model.model_fields.items():
            if _models(field.annotation):
                yield f"\n### {path}.{field.alias or name}\n"
                yield from _tables(f"{path}.{field.alias or name}", field.annotation)


def _table(fields: dict[str, FieldInfo], meanings: Mapping[str, str]) -> Iterator[str]:
    yield "| key | type | default | bounds | what |\n|---|---|---|---|---|"
    for name, field in fields.items():
        what = (field.description or meanings.get(name, "")).replace("|", "\\|").replace("<", "&lt;")
        yield f"| `{field.alias or name}` | {_kind(field.annotation)} | {_default(field)} | {_bounds(field)} | {what} |"
    yield ""


def _models(annotation: object) -> list[type[BaseModel]]:
    """The models that a type is made of, outermost first; none for plain values."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _kind(annotation: object) -> str:
    """A type as people say it."""
    parts = get_args(annotation)
    origin = get_origin(annotation)
    containers = {tuple: "list of {}", list: "list of {}", frozenset: "list of {}", dict: "{} → {}", Annotated: "{}"}
    if origin in containers:
        return containers[origin].format(*map(_kind, parts[:2]))
    if origin in {Union, types.UnionType}:
        return " or ".join("nothing" if part is type(None) else _kind(part) for part in parts)
    if origin is Literal:
        return " · ".join(f"`{part}`" for part in parts)
    return _plain(annotation)


def _plain(annotation: object) -> str:
    named = getattr(annotation, "__value__", None)  # a `type X = …`
    if named is not None:
        return _kind(named)
    if _models(annotation):
        return "a section"
    name = getattr(annotation, "__name__", str(annotation))
    return {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "date": "day"}.get(
        name, name.lower()
    )


def _docstring(model: type[BaseModel]) -> tuple[str, dict[str, str]]:
    """The first paragraph of a model's docstring, and what its `Args:` say of each key."""
    text = inspect.cleandoc(model.__doc__ or "")
    said, _, arguments = text.partition("\nArgs:\n")
    entries = re.findall(r"^    (\w+): (.*(?:\n {8,}.*)*)", arguments, re.MULTILINE)
    return " ".join(said.split("\n\n")[0].split()), {name: " ".join(what.split()) for name, what in entries}


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.default if field.default is not PydanticUndefined else None
    if value is None or isinstance(value, BaseModel) or value in ((), {}):
        return ""
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple | frozenset) else str(value)
    return f"`{text}`" if len(text) <= _LONGEST else f"`{text[:_LONGEST]}…`"


def _bounds(field: FieldInfo) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "min_length": "entries ≥", "max_length": "entries ≤"}
    told = [
        f"{sign} {getattr(one, name)}" for one in field.metadata for name, sign in signs.items() if hasattr(one, name)
    ]
    return ", ".join(told)


def _sections(text: str) -> dict[str, str]:
    """The file's text cut at its top keys; the comment above a key belongs to it."""
    found: dict[str, str] = {}
    comment: list[str] = []
    name = ""
    for line in text.splitlines():
        key = re.match(r"([a-z_]+):", line)
        if key:
            name = key.group(1)
            found[name] = "\n".join([*comment, line])
            comment = []
        elif not line.strip() or line.startswith("#"):
            comment = [*comment, line] if line.startswith("#") else []
        else:
            found[name] = "\n".join([found[name], *comment, line])
            comment = []
    return found


def _shipped(text: str) -> str:
    return f"\nAs shipped:\n\n```yaml\n{text.strip()}\n```\n" if text.strip() else ""

"""The reference of the command line, read from the commands themselves.

What belongs here: from the typer app to Markdown. What does not: any word of help; it stands in the commands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import get_args

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from crypto_assets.cli.main import app

_PROGRAM = "crypto-assets"


def render() -> str:
    """Every command in the order of its name: help, example, arguments and options."""
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)  # noqa: S101 - an app with commands is a group
    parts = ["## Before any command\n", *_parameters(root)]
    for name, command in sorted(root.commands.items()):
        parts.append(f"\n## {name}\n")
        parts += _group(command, name) if isinstance(command, TyperGroup) else _command(command, name)
    return "\n".join(parts)


def _group(group: TyperGroup, path: str) -> Iterator[str]:
    if group.invoke_without_command:
        yield from _command(group, path)
    else:
        yield from _help(group.help or "")
    for name, command in sorted(group.commands.items()):
        yield f"\n### {path} {name}\n"
        yield from _command(command, f"{path} {name}")


def _command(command: TyperCommand | TyperGroup | object, path: str) -> Iterator[str]:
    assert isinstance(command, TyperCommand | TyperGroup)  # noqa: S101 - typer makes no other
    yield from _help(command.help or "")
    arguments = [one for one in command.params if isinstance(one, TyperArgument)]
    words = " ".join(_placeholder(one) for one in arguments)
    more = " [OPTIONS]" if any(isinstance(one, TyperOption) for one in command.params) else ""
    yield f"```text\n{_PROGRAM} {path} {words}".rstrip() + f"{more}\n```\n"
    yield from _parameters(command)


def _help(text: str) -> Iterator[str]:
    """The docstring: its prose, and what follows `Example:` as something to be typed."""
    prose, found, example = text.partition("Example:")
    yield re.sub(r"\\?\[/?(bold|dim|italic)\]", "", prose).strip() + "\n"
    if found:
        lines = [line.strip() for line in example.strip().splitlines() if line.strip()]
        typed = [line for line in lines if line.startswith(_PROGRAM)]
        rest = " ".join(line for line in lines if not line.startswith(_PROGRAM))
        yield "```console\n" + "\n".join(f"$ {line}" for line in typed) + "\n```\n"
        if rest:
            yield rest + "\n"


def _placeholder(argument: TyperArgument) -> str:
    name = (argument.metavar or argument.name or "").strip("[]").upper()
    name = f"{name}…" if argument.nargs == -1 else name
    return name if argument.required else f"[{name}]"


def _parameters(command: TyperCommand | TyperGroup) -> Iterator[str]:
    rows = [_row(one) for one in command.params if isinstance(one, TyperArgument | TyperOption) and not one.hidden]
    if rows:
        yield "| | what | default |\n|---|---|---|"
        yield "\n".join(rows) + "\n"


def _row(one: TyperArgument | TyperOption) -> str:
    if isinstance(one, TyperArgument):
        name = f"`{_placeholder(one)}`"
    else:
        name = ", ".join(f"`{option}`" for option in one.opts)
        name += f" `{_kind(one)}`" if not one.is_flag else ""
    help_text = (one.help or "").replace("|", "\\|").strip()
    more = " May be repeated." if getattr(one, "multiple", False) and "repeatable" not in help_text else ""
    return f"| {name} | {help_text}{more} | {_default(one)} |"


def _kind(option: TyperOption) -> str:
    """What is to be written behind the option: the choices there are, or its type in capitals."""
    annotation = option.type_descriptor.annotation
    inner = get_args(annotation)
    one = inner[0] if inner else annotation
    if isinstance(one, type) and issubclass(one, Enum):
        return " · ".join(str(choice.value) for choice in one)
    return getattr(one, "__name__", str(one)).upper().replace("STR", "TEXT").replace("INT", "INTEGER")


def _default(one: TyperArgument | TyperOption) -> str:
    value = one.default
    if one.required:
        return "needed"
    if callable(value) or value in (None, "", (), []) or (isinstance(one, TyperOption) and one.is_flag and not value):
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(f"`{item}`" for item in value)
    return f"`{getattr(value, 'value', value)}`"

"""What the documents tell people to type is there to be typed."""

import re
import shlex
from pathlib import Path

import click
import pytest
import typer.main

from crypto_assets.cli.main import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = [
    (path.name, line.removeprefix("$ "))
    for path in DOCUMENTS
    for block in re.findall(r"```console\n(.*?)```", path.read_text(), re.S)
    for line in block.splitlines()
    if line.startswith("$ ")
]


def _parse(words: list[str]) -> None:
    """Let the real command line parse the words, without running them."""
    command: object = typer.main.get_command(app)
    context = None
    while isinstance(command, (click.Group, typer.main.get_group(app).__class__)):
        context = command.make_context("crypto-assets", list(words), parent=context, resilient_parsing=True)
        rest = [*context._protected_args, *context.args] if hasattr(context, "_protected_args") else context.args
        name, command, words = command.resolve_command(context, rest)
    command.make_context(str(name), list(words), parent=context)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("document", "line"), COMMANDS, ids=lambda value: value)
def test_every_command_in_the_documents_parses(document: str, line: str) -> None:
    words = shlex.split(re.sub(r'^eval "\$\((.*)\)"$', r"\1", line))
    program = Path(words[0]).name
    if program == "make":
        target = words[1]
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M), document
    elif program == "crypto-assets":
        _parse(words[1:])
    else:
        assert program == "dagster", document


def test_every_picture_and_page_that_is_linked_exists() -> None:
    for path in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text()):
            if not target.startswith("http"):
                assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_the_examples_in_the_documents_import_what_exists() -> None:
    code = [block for path in DOCUMENTS for block in re.findall(r"```python\n(.*?)```", path.read_text(), re.S)]
    imports = [line for block in code for line in block.splitlines() if line.startswith(("from ", "import "))]
    exec("\n".join(imports), {})  # noqa: S102 - our own document
    assert len(imports) > 5

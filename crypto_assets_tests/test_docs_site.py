"""The site: built strictly, whole in itself, true to the code, and its messages those of the code."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import typer.main

from crypto_assets.cli.main import app
from crypto_assets.settings import Settings
from crypto_assets.universe import Universe
from crypto_assets_tests.warehouse.catalog import METADATA, load_tables

ROOT = Path(__file__).parents[1]
TROUBLES = ROOT / "docs" / "troubleshoot.md"
VARIES = "…"


class _Page(HTMLParser):
    """What a page leads to, loads, and can be led to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.anchors.update(told[name] for name in ("id", "name") if name in told)
        if tag == "a" and "href" in told:
            self.links.append(told["href"])
        if tag in {"script", "img", "iframe", "source"} and told.get("src"):
            self.loads.append(told["src"])
        if tag == "link" and told.get("rel") in {"stylesheet", "icon", "preconnect", "preload", "modulepreload"}:
            self.loads.append(told["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. Without a way out: whatever asks for another machine fails the build."""
    place = tmp_path_factory.mktemp("site")
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(place)],
        cwd=ROOT, env={**os.environ, **nowhere, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return place


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, _Page]:
    return {path: _Page(path.read_text()) for path in site.rglob("*.html")}


def test_every_link_leads_to_a_page_and_a_place_in_it(site: Path, pages: dict[Path, _Page]) -> None:
    lost = [
        f"{path.relative_to(site)} → {link}"
        for path, page in pages.items()
        if path.name != "404.html"  # its links are absolute, for it may be shown anywhere
        for link in page.links
        if not _leads_somewhere(path, link, pages)
    ]
    assert lost == []
    assert sum(len(page.links) for page in pages.values()) > 3000


def _leads_somewhere(path: Path, link: str, pages: dict[Path, _Page]) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return parts.scheme in {"https", "http", "mailto"}
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if target.is_dir():
        target /= "index.html"
    if target.suffix != ".html":
        return target.is_file()
    anchor = unquote(parts.fragment)
    return target in pages and (not anchor or anchor in pages[target].anchors or anchor == "__top")


def test_nothing_is_loaded_from_another_machine(site: Path, pages: dict[Path, _Page]) -> None:
    loads = {load for page in pages.values() for load in page.loads}
    assert [load for load in loads if urlsplit(load).netloc or urlsplit(load).scheme not in {"", "data"}] == []
    for style in site.rglob("*.css"):
        assert not re.search(r"@import|url\(\s*[\"']?(https?:)?//", style.read_text()), style.name


def test_every_command_table_setting_and_key_of_the_universe_has_its_place(
    pages: dict[Path, _Page], site: Path
) -> None:
    text = {name: (site / "api" / f"{name}.html").read_text() for name in ("commands", "settings", "universe")}
    for words in _commands(typer.main.get_command(app), ""):
        assert f"crypto-assets {words}" in text["commands"], words
    for name in Settings.model_fields:
        assert f"CRYPTO_ASSETS_{name.upper()}" in text["settings"], name
    anchors = pages[site / "api" / "universe.html"].anchors
    assert set(Universe.model_fields) - anchors == {"history_from", "automatic_history_days", "timeframes"}
    load_tables()
    for name, table in METADATA.tables.items():
        page = site / "api" / "tables" / f"{table.schema}.html"
        assert name.replace(".", "-") in pages[page].anchors, name
        told = page.read_text()
        assert all(f'<code class="name">{column.name}</code>' in told for column in table.columns), name


def _commands(command: object, path: str) -> Iterator[str]:
    below = getattr(command, "commands", None)
    if below is None:
        yield path
    else:
        for name, one in below.items():
            yield from _commands(one, f"{path} {name}".strip())


def test_the_python_reference_shows_what_is_public(site: Path) -> None:
    client = (site / "api" / "client.html").read_text()
    for name in ("connect", "Client", "bars", "coverage", "latest_quote", "watch", "NotAReader", "AnswerTooLarge"):
        assert re.search(rf'id="[\w.]*\.{name}"', client), name
    errors = (site / "api" / "errors.html").read_text()
    for name in ("UniverseError", "SettingsError", "BackupAltered", "NameUnknown", "LeaseTaken"):
        assert f'<code class="name">{name}</code>' in errors, name


def test_search_finds_columns_commands_and_messages(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text())
    text = " ".join(f"{one['title']} {one['text']}" for one in index["docs"])
    for words in ("bid_quantity", "gaps repair", "no_look_ahead", "CRYPTO_ASSETS_REDIS_URL", "most_an_hour"):
        assert words in text, words
    assert (site / "search" / "search_index.js").read_text().startswith("var __index = ")  # for pages in a folder


def test_nothing_generated_or_of_the_generator_is_in_the_wrong_place(site: Path) -> None:
    assert not list(site.rglob("*.py"))
    assert sorted(path.name for path in (ROOT / "docs" / "api" / "tables").iterdir()) == ["index.md"]


@cache
def _sayings() -> list[str]:
    """Every text of the package with … for what differs, one line each; of the Makefile its lines."""
    found = []
    for path in (ROOT / "crypto_assets").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else VARIES for part in node.values]
                found.append(" ".join("".join(map(str, parts)).split()))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(" ".join(node.value.split()))
            elif isinstance(node, ast.FunctionDef):
                found.append(node.name)
    return found + (ROOT / "Makefile").read_text().splitlines()


def _messages() -> list[str]:
    """What the first column of the page quotes."""
    rows = [line.split("|")[1] for line in TROUBLES.read_text().splitlines() if line.startswith("| ")]
    return [quoted for cell in rows for quoted in re.findall(r"`([^`]+)`", cell)]


def _is_said(message: str) -> bool:
    fixed = [re.escape(part.strip()) for part in message.split(VARIES) if part.strip()]
    pattern = re.compile(".*".join(fixed))
    return any(pattern.search(saying) for saying in _sayings())


@pytest.mark.parametrize("message", _messages(), ids=lambda value: value)
def test_every_message_that_is_explained_can_be_seen(message: str) -> None:
    assert _is_said(message)


def test_a_message_that_nobody_says_is_noticed() -> None:
    assert len(_messages()) > 80
    assert not _is_said("Port … on … is taken by somebody")

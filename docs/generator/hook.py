"""What mkdocs calls while it builds the site: pages and parts of pages that are read from the code.

What belongs here: where generated text goes. What does not: the text (the modules beside this one).

A line `<!-- generated: NAME -->` in a page is replaced by what NAME makes; pages of tables, decisions and the changelog are
added whole. Nothing that is generated is kept in the repository, so it cannot differ from the code.
"""

from __future__ import annotations

import re
from pathlib import Path

import commands
import errors
import narrow_tables
import settings_table
import table_pages
import universe_file
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
_MARK = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)
_MAKERS = {
    "commands": commands.render,
    "errors": errors.render,
    "settings": settings_table.render,
    "universe": universe_file.render,
    "tables": table_pages.render_index,
}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages of tables and decisions behind their headings in the navigation."""
    fillings = {
        "Decisions": ["decisions/index.md", *(f"decisions/{one.name}" for one in _decisions())],
        "Tables": ["api/tables/index.md", *(f"api/tables/{name}.md" for name in table_pages.schemas())],
    }
    if config.nav is None:
        raise PluginError("mkdocs.yml has no nav")
    _fill(config.nav, fillings)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are generated whole."""
    pages = {f"api/tables/{name}.md": table_pages.render(name) for name in table_pages.schemas()}
    pages["changelog.md"] = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in the parts of a page that are generated."""
    _ = page, config, files

    def made(found: re.Match[str]) -> str:
        if found.group(1) not in _MAKERS:
            raise PluginError(f"{page.file.src_path} asks for {found.group(1)}, which nothing generates")
        return _MAKERS[found.group(1)]()

    return _MARK.sub(made, markdown)


def on_page_content(html: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make the page's tables readable on a narrow screen."""
    _ = page, config, files
    return narrow_tables.label_cells(html)


def _decisions() -> list[Path]:
    return sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))


def _fill(entries: list[object], fillings: dict[str, list[str]]) -> None:
    for entry in entries:
        if not isinstance(entry, dict):
            continue
        for title, below in entry.items():
            if title in fillings:
                entry[title] = fillings[title]
            elif isinstance(below, list):
                _fill(below, fillings)

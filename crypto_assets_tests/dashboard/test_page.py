"""The page in a real browser: what it shows, on a phone and on a wide screen, in light and dark, and what stays text."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crypto_assets.warehouse.connection import Warehouse
from crypto_assets_tests.dashboard import world
from crypto_assets_tests.dashboard.browser import Page, browser, needs_chromium
from crypto_assets_tests.dashboard.conftest import served

pytestmark = needs_chromium
VIEWS = ("overview", "coverage", "live", "candles", "quality", "forecasts", "headlines", "catalog")
CANDLES = "candles?venue=mexc&symbol=BTC%2FUSDT&timeframe=1h&bars=240"
LOADED = "document.querySelectorAll('#view .view > *').length > 1"
TOO_WIDE = """[...document.querySelectorAll('body *')].filter((one) => {
  if (one.closest('nav, svg, .skip') || !one.checkVisibility()) return false;
  const box = one.getBoundingClientRect();
  return box.right > innerWidth + 1 || box.left < -1;
}).map((one) => one.outerHTML.slice(0, 80))"""


@pytest.fixture(scope="module")
def started() -> Iterator[Page]:
    with browser() as page:
        yield page


@pytest.fixture
def page(started: Page) -> Iterator[Page]:
    started.problems.clear()
    yield started
    assert started.problems == []


def show(page: Page, url: str, view: str, **window: object) -> None:
    page.open(f"{url}/#{view}", **window)  # type: ignore[arg-type]
    page.until(LOADED)


@pytest.mark.parametrize("width", [380, 1600])
def test_every_view_loads_without_a_complaint_and_fits(page: Page, url: str, width: int) -> None:
    for view in VIEWS:
        show(page, url, CANDLES if view == "candles" else view, width=width)
        if view == "live":
            page.until("document.querySelector('.ticker')")
        if view in {"candles", "quality", "forecasts"}:
            page.until("document.querySelector('.picture svg')")
        assert page.run("document.documentElement.scrollWidth <= innerWidth"), view
        assert page.run(TOO_WIDE) == [], view
        assert page.run("document.querySelector('#nav [aria-current]').textContent") == view
        assert page.problems == [], view


def test_the_map_shows_the_planted_gap_its_state_and_why_to_eye_and_keyboard(page: Page, url: str) -> None:
    show(page, url, "coverage?dataset=market%2Fohlcv&days=30")
    page.until("document.querySelector('.run[data-state=missing]')")
    label = str(page.run("document.querySelector('.run[data-state=missing]').getAttribute('aria-label')"))
    assert label.startswith("mexc BTC/USDT 1h: missing, ")
    assert world.WHY in label
    style = "getComputedStyle(document.querySelector('.run[data-state={}]')).{}"
    looks = {
        (page.run(style.format(one, "backgroundColor")), page.run(style.format(one, "backgroundImage")))
        for one in ("missing", "venue_quiet", "present")
    }
    assert len(looks) == len({image for _, image in looks}) == 3  # told apart by pattern alone, too
    assert page.run("document.querySelector('.run[data-state=missing]').textContent") == "M"
    page.run("document.querySelector('.run[tabindex=\"0\"]').focus()")
    page.press("ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight")
    assert page.run("document.activeElement.dataset.state") == "missing"
    assert world.WHY in str(page.run("document.querySelector('.told').textContent"))
    page.press("Enter")
    page.until("location.hash.startsWith('#candles') && document.querySelector('.absent g')")


def test_a_hole_among_candles_is_marked_by_its_state_and_no_line_crosses_it(page: Page, url: str) -> None:
    show(page, url, CANDLES, width=1280)
    page.until("document.querySelector('.absent g')")
    marked = page.run(
        "[...document.querySelectorAll('.absent g[data-state]')].map((one) => [one.dataset.state, one.dataset.bars])"
    )
    assert marked == [["missing", "12"], ["venue_quiet", "6"]]
    fills = page.run("[...document.querySelectorAll('.absent rect')].map((one) => one.getAttribute('fill'))")
    assert fills == ["url(#p-missing)", "url(#p-venue_quiet)"]
    inside = page.run(
        """(() => {
          const holes = [...document.querySelectorAll('.absent rect')].map((one) => {
            const left = Number(one.getAttribute('x'));
            return [left, left + Number(one.getAttribute('width'))];
          });
          const crossing = (path) => path.getAttribute('d').split('M').filter(Boolean).flatMap((part) => {
            const xs = part.split('L').map((point) => Number.parseFloat(point));
            return holes.filter(([left, right]) => xs.some((x) => x < left + 1) && xs.some((x) => x > right - 1));
          });
          return [...document.querySelectorAll('path.line, path.band')].flatMap(crossing).length;
        })()"""
    )
    assert inside == 0
    assert page.run("document.querySelectorAll('path.line').length") == 4
    page.run("document.querySelector('.chart').focus()")
    page.press("ArrowLeft")
    assert " close " in str(page.run("document.querySelector('.told').textContent"))
    assert world.WHY in str(page.run("document.querySelector('.lines').textContent"))


def test_the_ticker_follows_the_database_within_seconds(page: Page, url: str, filled: Warehouse) -> None:
    show(page, url, "live")
    row = "document.querySelector('[data-market=\"gate BTC/USDT\"]')"
    page.until(f"{row}?.textContent.includes('100.10')")
    world.put_quote(filled, "gate", "BTC/USDT", datetime.now(UTC), bid="100.2345", ask="100.3")
    page.until(f"{row}.textContent.includes('100.2345') && {row}.dataset.state === 'fresh'")
    assert page.run("document.querySelector('[data-market=\"mexc ETH/USDT\"]').dataset.state") == "stale"


@pytest.mark.parametrize(
    ("view", "told"),
    [("headlines", world.HEADLINE), ("live", world.HOSTILE), ("candles", world.HOSTILE), ("coverage", "<img src=x")],
    ids=["headlines", "live", "candles", "coverage"],
)
def test_what_a_stranger_wrote_stays_text(page: Page, url: str, view: str, told: str) -> None:
    show(page, url, view)
    page.until(f"document.querySelector('#view').textContent.includes({told!r})")
    assert page.run("document.querySelectorAll('#view img, #view script, #view [onerror]').length") == 0
    links = page.run("[...document.querySelectorAll('#view a')].map((one) => [new URL(one.href).protocol, one.rel])")
    assert links in ([], [["https:", "noopener noreferrer nofollow"]] * 2)


def test_light_and_dark_follow_the_system_until_somebody_chooses(page: Page, url: str) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    seen = {}
    for scheme in ("light", "dark"):
        show(page, url, "overview", scheme=scheme)
        seen[scheme] = page.run(ground)
    assert seen == {"light": "rgb(246, 247, 249)", "dark": "rgb(16, 19, 26)"}
    page.run("document.getElementById('theme').click()")
    assert page.run(ground) == seen["light"]
    show(page, url, "overview", scheme="dark")
    assert page.run("document.documentElement.dataset.theme") == "light"
    assert page.run(ground) == seen["light"]
    page.run("localStorage.clear()")


def test_the_catalog_finds_a_column_with_its_unit_as_one_types(page: Page, url: str) -> None:
    show(page, url, "catalog")
    typing = "search.value = {!r}, search.dispatchEvent(new Event('input'))"
    page.run(typing.format("technical_indicators RSI_14"))
    table = "document.querySelector('.catalog-table')"
    assert page.run(f"{table}.querySelector('h2').textContent") == "features.technical_indicators"
    assert page.run(f"{table}.querySelector('dt code').textContent") == "rsi_14"
    assert page.run(f"{table}.querySelector('.unit').textContent") == "0..100"
    page.run(typing.format("no such column"))
    assert "No column" in str(page.run("document.querySelector('.empty').textContent"))


def test_an_empty_database_says_what_to_do_in_every_view(page: Page, warehouse: Warehouse, folder: Path) -> None:
    with served(world.place_of(warehouse, folder)) as url:
        for view in VIEWS:
            show(page, url, view)
            if view != "catalog":
                page.until("document.querySelector('#view .empty code')?.textContent.startsWith('crypto-assets ')")
        assert page.problems == []
        page.open("about:blank")  # no listener stays


def test_a_foreign_script_would_not_run(started: Page, url: str) -> None:
    show(started, url, "overview")
    started.run(
        "document.body.append(Object.assign(document.createElement('img'), { src: 'https://127.0.0.1:1/x.png' }))"
    )
    started.run("document.body.insertAdjacentHTML('beforeend', '<b style=\"color:red\" onclick=\"1\">x</b>')")
    deadline = time.monotonic() + 10
    while not any("Content Security Policy" in one for one in started.problems):
        assert time.monotonic() < deadline, started.problems
        started.run("1")  # what went wrong is heard while the browser answers

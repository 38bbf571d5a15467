/* Freshness and gaps: time × series, each cell with the worst state that falls into it.
 *
 * Arrow keys go from one run of cells to the next and from row to row; the line below the map tells what is under the focus. */

import { ask } from "./ask.js";
import { LETTERS, choice, el, empty, fill, minute, words } from "./make.js";
import { chip } from "./overview.js";

const DAYS = [[1, "1 day"], [7, "7 days"], [30, "30 days"], [90, "90 days"], [365, "a year"], [3650, "10 years"]];

export async function coverage(place, parameters, signal) {
  const datasets = await ask("datasets", {}, signal);
  place.append(el("h1", {}, "Coverage"));
  if (!datasets.length) {
    place.append(empty("Nothing has been collected yet:", "crypto-assets up"));
    return;
  }
  const dataset = datasets.includes(parameters.dataset) ? parameters.dataset : datasets.includes("market/ohlcv") ? "market/ohlcv" : datasets[0];
  const days = DAYS.some(([one]) => String(one) === parameters.days) ? parameters.days : "30";
  const go = (changed) => { location.hash = `coverage?${new URLSearchParams({ dataset, days, ...changed })}`; };
  const body = el("div", { class: "stack" });
  place.append(
    el("div", { class: "bar" }, choice("Dataset", datasets.map((one) => [one, one]), dataset, (value) => go({ dataset: value })),
      choice("Span", DAYS, days, (value) => go({ days: value }))),
    body);
  draw(body, await ask("coverage", { dataset, days }, signal));
}

function draw(body, map) {
  if (!map.rows.length) {
    fill(body, empty("Nothing of this dataset was collected."));
    return;
  }
  const told = el("p", { class: "told", role: "status" }, "Point at a cell, or go there with Tab and the arrow keys.");
  const states = [...new Set(map.rows.flatMap((row) => row.runs.map((run) => run.state)))];
  const order = ["missing", "unrecoverable", "venue_outage", "venue_quiet", "not_listed", "dropped", "archived", "present", "not_collected"];
  const grid = el("div", { class: "map", role: "grid", "aria-label": `Coverage of ${map.dataset}` },
    map.rows.map((row) => el("div", { class: "map-row", role: "row" },
      el("span", { class: "map-name", role: "rowheader", title: row.symbol }, el("b", {}, short(row.symbol)), ` ${row.venue} ${row.timeframe}`),
      el("div", { class: "strip" }, row.runs.map((run) => cell(row, run, told))))),
    el("div", { class: "map-row", role: "presentation" }, el("span"), el("div", { class: "ends" }, el("span", {}, minute(map.start)), el("span", {}, `${minute(map.end)} UTC`))));
  const first = grid.querySelector(".run");
  if (first) first.tabIndex = 0;
  grid.addEventListener("keydown", (event) => move(grid, event));
  fill(body,
    el("div", { class: "chips" }, [...order.filter((state) => states.includes(state)), ...states.filter((state) => !order.includes(state))].map((state) => chip(state))),
    grid,
    told,
    map.left_out ? el("p", { class: "sub" }, `${map.left_out} more series have less to see.`) : null);
}

function cell(row, run, told) {
  const text = sentence(row, run);
  const made = el("span", {
    class: `run s-${run.state}`, role: "gridcell", tabindex: -1, "aria-label": text, title: text, data: { state: run.state },
    onfocus: () => { told.textContent = text; }, onpointerenter: () => { told.textContent = text; },
    onclick: () => { location.hash = `candles?${new URLSearchParams({ venue: row.venue, symbol: row.symbol, timeframe: row.timeframe, until: run.end + 20 * (run.end - run.start) })}`; },
  }, el("i", {}, LETTERS[run.state]));
  made.style.flexGrow = run.cells;
  return made;
}

function sentence(row, run) {
  const holes = run.holes > 1 ? ` in ${run.holes} holes` : "";
  const why = run.why ? ` ${run.why}` : "";
  return `${row.venue} ${row.symbol} ${row.timeframe}: ${words(run.state)}${holes}, ${minute(run.start)} to ${minute(run.end)} UTC.${why}`;
}

function short(symbol) {
  return symbol.length > 24 ? `${symbol.slice(0, 11)}…${symbol.slice(-8)}` : symbol;
}

function move(grid, event) {
  const at = document.activeElement;
  if (!at?.classList.contains("run")) return;
  const rows = [...grid.querySelectorAll(".map-row")];
  const row = rows.findIndex((one) => one.contains(at));
  const here = [...rows[row].querySelectorAll(".run")];
  const place = here.indexOf(at);
  const there = (number) => [...(rows[number]?.querySelectorAll(".run") ?? [])];
  const steps = {
    ArrowRight: () => here[place + 1], ArrowLeft: () => here[place - 1], Home: () => here[0], End: () => here.at(-1),
    ArrowDown: () => there(row + 1)[Math.min(place, there(row + 1).length - 1)],
    ArrowUp: () => there(row - 1)[Math.min(place, there(row - 1).length - 1)],
    Enter: () => { at.click(); return null; },
  };
  const next = steps[event.key]?.();
  if (event.key in steps) event.preventDefault();
  if (next) {
    at.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }
}

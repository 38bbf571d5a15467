/* Everything at a glance. */

import { ask } from "./ask.js";
import { LETTERS, age, breakable, bytes, count, el, empty, fill, minute, number, percent, trouble, words } from "./make.js";

const EVERY = 10000; // milliseconds, as long as the server keeps its figures
const OLD = 86400; // seconds: from here on an age is marked

export async function overview(place, _parameters, signal) {
  const body = el("div", { class: "stack" });
  place.append(el("h1", {}, "Overview"), body);
  const renew = async () => fill(body, parts(await ask("overview", {}, signal)));
  await renew();
  const timer = setInterval(() => renew().catch((error) => { if (!signal.aborted) fill(body, trouble(error)); }), EVERY);
  signal.addEventListener("abort", () => clearInterval(timer));
}

function parts(told) {
  return [
    Object.values(told.problems).map((problem) => trouble({ message: problem })),
    tiles(told),
    block("Failed checks", failed(told)),
    assets(told.assets.filter((one) => one.age_seconds !== null)),
    without(told.assets.filter((one) => one.age_seconds === null)),
    el("div", { class: "columns" }, block("Providers", providers(told.providers)), block("Polls", polls(told.polls)),
      block("Runs and daemons", runs(told))),
    kept(told.safekeeping),
  ];
}

function block(title, ...content) {
  return el("div", { class: "block" }, el("h2", {}, title), content);
}

function tiles(told) {
  const filled = told.assets.filter((one) => one.age_seconds !== null).length;
  const holes = told.assets.reduce((sum, one) => sum + (one.holes.missing ?? 0) + (one.holes.unrecoverable ?? 0), 0);
  const failedRuns = told.runs.filter((one) => one.status === "FAILURE").reduce((sum, one) => sum + one.of_last_day, 0);
  const errors = told.failed_checks.filter((one) => one.severity === "ERROR").length;
  return el("div", { class: "tiles" },
    tile("datasets with data", `${filled} of ${told.assets.length}`),
    tile("failed checks", `${told.failed_checks.length} of ${told.checks}`, errors ? "bad" : told.failed_checks.length ? "warn" : "good"),
    tile("holes missing or lost", count(holes), holes ? "warn" : "good"),
    tile("failed runs, 24 h", count(failedRuns), failedRuns ? "bad" : "good"),
    tile("database", bytes(told.database_bytes)));
}

function tile(label, value, tone = "") {
  return el("div", { class: `tile ${tone}` }, el("b", {}, value), el("span", {}, label));
}

function without(rows) {
  if (!rows.length) return null;
  return el("details", {}, el("summary", {}, `${rows.length} datasets have no data yet`),
    el("ul", { class: "names" }, rows.map((one) => el("li", {}, el("b", {}, one.asset), " ", one.meaning))));
}

function assets(rows) {
  if (!rows.length) return empty("Nothing is stored yet:", "crypto-assets up");
  const head = ["dataset", "age", "score", "lowest", "rows", "size", "holes"];
  const kinds = ["", "n", "n", "n wide", "n wide", "n wide", ""];
  return el("table", { class: "assets" },
    el("thead", {}, el("tr", {}, head.map((name, i) => el("th", { class: kinds[i], scope: "col" }, name)))),
    el("tbody", {}, rows.map((one) => el("tr", {},
      el("th", { scope: "row", title: one.meaning }, breakable(one.asset)),
      el("td", { class: `n ${one.age_seconds > OLD ? "warn" : ""}` }, age(one.age_seconds)),
      el("td", { class: "n" }, score(one.score)),
      el("td", { class: "n wide" }, one.worst === null ? "–" : one.worst.toFixed(3)),
      el("td", { class: "n wide" }, one.rows ? `~${count(one.rows)}` : "–"),
      el("td", { class: "n wide" }, bytes(one.size_bytes)),
      el("td", {}, el("span", { class: "chips" }, Object.entries(one.holes).map(([state, holes]) => chip(state, holes))))))));
}

function score(value) {
  if (value === null) return "–";
  return [el("meter", { min: 0, max: 1, low: 0.9, high: 0.98, optimum: 1, value, "aria-label": "score" }), value.toFixed(3)];
}

/** A state with how many holes have it. */
export function chip(state, holes = null) {
  const told = holes === null ? words(state) : `${count(holes)} ${words(state)}`;
  return el("span", { class: "chip", title: told }, el("i", { class: `swatch s-${state}` }, LETTERS[state] ?? ""), told);
}

function failed(told) {
  if (!told.checks) return empty("No check has a result yet:", "crypto-assets quality");
  if (!told.failed_checks.length) return empty(`All ${told.checks} checks hold.`);
  return el("ul", { class: "lines" }, told.failed_checks.map((one) => el("li", {},
    el("span", { class: one.severity === "ERROR" ? "badge bad" : "badge warn" }, one.severity.toLowerCase()), " ",
    el("b", {}, one.asset), " ", words(one.check), el("span", { class: "sub" }, ` ${one.told}`))));
}

function providers(rows) {
  if (!rows.length) return empty("No provider has been asked yet:", "crypto-assets up");
  return small(["provider", "breaker", "requests", "throttled", "latency"], rows.map((one) => [
    one.provider, el("span", { class: one.breaker === "closed" ? "good" : "bad" }, one.breaker), count(one.requests),
    count(one.throttled), one.latency_seconds === null ? "–" : `${number(1000 * one.latency_seconds, 3)} ms`]), [2, 3, 4]);
}

function runs(told) {
  if (!told.runs.length && !told.daemons.length) return empty("Dagster has run nothing yet:", "crypto-assets up");
  return [
    small(["runs", "in all", "24 h"], told.runs.map((one) => [one.status.toLowerCase(), count(one.runs), count(one.of_last_day)]), [1, 2]),
    el("p", { class: "sub" }, told.daemons.map((one) => `${one.daemon.toLowerCase()} ${age(one.silent_seconds)} ago`).join(" · ")),
  ];
}

function polls(rows) {
  if (!rows.length) return empty("No market has been polled yet:", "crypto-assets collect");
  return small(["dataset", "of", "markets", "due", "failing"], rows.map((one) => [one.dataset, one.venue, one.markets,
    one.overdue ? `${one.overdue}, ${age(one.longest_overdue_seconds)}` : "0", one.failing]), [2, 3, 4]);
}

function kept(told) {
  const state = (name) => el("span", { class: ["verified", "succeeded", "created"].includes(name) ? "good" : "bad" }, name);
  return el("div", { class: "columns" },
    block("Open alerts", told.alerts.length ? el("ul", { class: "lines" }, told.alerts.map((one) => el("li", {},
      el("span", { class: one.severity === "critical" ? "badge bad" : "badge warn" }, one.severity), " ", one.title,
      el("span", { class: "sub" }, ` since ${when(one.since)}`)))) : empty("None.")),
    block("Backups", told.backups.length ? small(["begun", "state", "size", "rows"], told.backups.map((one) => [
      minute(1000 * one.started_at), el("span", { title: one.error }, state(one.state)), bytes(one.size_bytes), count(one.rows)]), [2, 3])
      : empty("No backup yet:", "crypto-assets backup")),
    block("Training sets", told.training_sets.length ? small(["name", "state", "as of", "rows"], told.training_sets.map((one) => [
      breakable(one.name), state(one.state), minute(1000 * one.as_of), count(one.rows)]), [3]) : empty("None was frozen yet.")));
}

/** A small table; `numbers` are the places of its columns of numbers, `wide` of those that a phone does without. */
export function small(head, rows, numbers = [], wide = []) {
  const kind = (place) => `${numbers.includes(place) ? "n" : ""} ${wide.includes(place) ? "wide" : ""}`;
  return el("table", {}, el("thead", {}, el("tr", {}, head.map((name, i) => el("th", { class: kind(i), scope: "col" }, name)))),
    el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell, i) => el("td", { class: kind(i) }, cell))))));
}

/** When something was, for people. */
export const when = (seconds) => `${minute(1000 * seconds)} UTC`;

/* Every column of every table with unit and meaning, searched as one types. */

import { ask } from "./ask.js";
import { el, empty, fill } from "./make.js";

const MOST = 300; // columns shown at once

export async function catalog(place, parameters, signal) {
  const tables = await ask("catalog", {}, signal);
  const all = tables.reduce((sum, one) => sum + one.columns.length, 0);
  const told = el("p", { class: "sub", role: "status" });
  const body = el("div", { class: "stack" });
  const search = el("input", { type: "search", id: "search", placeholder: "rsi, spread, basis points …", value: parameters.q ?? "",
    autocomplete: "off", spellcheck: false, oninput: () => show() });
  place.append(el("h1", {}, "Catalog"),
    el("label", { class: "field grow", for: "search" }, el("span", {}, "Search tables, columns, units and meanings"), search), told, body);
  const show = () => {
    const terms = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    const shown = [];
    for (const table of tables) {
      const columns = table.columns.filter((one) => terms.every((term) => text(table, one).includes(term)));
      found += columns.length;
      const room = MOST - shown.reduce((sum, one) => sum + one.columns.length, 0);
      if (columns.length && room > 0) shown.push({ table, columns: columns.slice(0, room) });
    }
    told.textContent = `${found} of ${all} columns in ${tables.length} tables${found > MOST ? `; the first ${MOST} are shown` : ""}.`;
    fill(body, shown.length ? shown.map(part) : empty("No column is called or means that."));
  };
  show();
}

function text(table, column) {
  return `${table.table} ${table.asset} ${column.name} ${column.unit} ${column.meaning}`.toLowerCase();
}

function part({ table, columns }) {
  return el("div", { class: "block catalog-table" }, el("h2", {}, table.table), el("p", { class: "sub" }, table.meaning),
    el("dl", {}, columns.map((one) => [
      el("dt", {}, el("code", {}, one.name), one.is_key ? el("span", { class: "badge" }, "key") : null),
      el("dd", {}, one.meaning, one.unit ? el("span", { class: "unit" }, one.unit) : null,
        el("span", { class: "sub kind" }, `${one.kind}${one.is_nullable ? ", may be unknown" : ""}`))])));
}

/* The live ticker: the newest stored quote of each market, renewed each second by server-sent events. */

import { age, el, empty, fill, number } from "./make.js";

const OLD_MS = 5000; // an older quote is marked, before the stream itself calls it stale

export async function live(place, _parameters, signal) {
  const status = el("p", { class: "sub", role: "status" }, "Connecting…");
  const body = el("div");
  place.append(el("h1", {}, "Live quotes"), status, body);
  const source = new EventSource("/api/live");
  signal.addEventListener("abort", () => source.close());
  const known = new Map();
  source.addEventListener("quotes", (event) => {
    const quotes = JSON.parse(event.data);
    const stale = quotes.filter((one) => one.is_stale).length;
    status.textContent = quotes.length ? `${quotes.length} markets, ${stale} stale; renewed every second from PostgreSQL.` : "Connected.";
    draw(body, known, quotes);
  });
  source.addEventListener("trouble", (event) => { status.textContent = JSON.parse(event.data).problem; });
  source.addEventListener("error", () => { status.textContent = "The connection is lost; it is made anew…"; });
}

function draw(body, known, quotes) {
  if (!quotes.length) {
    known.clear();
    fill(body, empty("No quotes yet:", "crypto-assets stream"));
    return;
  }
  quotes.sort((one, other) => one.symbol.localeCompare(other.symbol) || one.venue.localeCompare(other.venue));
  const keys = quotes.map((one) => `${one.venue}\n${one.symbol}`);
  if (keys.length !== known.size || keys.some((key) => !known.has(key))) rebuild(body, known, keys, quotes);
  quotes.forEach((one, place) => renew(known.get(keys[place]), one));
}

function rebuild(body, known, keys, quotes) {
  known.clear();
  const rows = quotes.map((one, place) => {
    const row = { state: el("td", { class: "wide" }), bid: el("td", { class: "n" }), ask: el("td", { class: "n" }), spread: el("td", { class: "n" }),
      quantity: el("td", { class: "n wide" }), age: el("td", { class: "n" }) };
    row.line = el("tr", { data: { market: keys[place].replace("\n", " ") } }, el("th", { scope: "row" }, one.symbol, " ", el("span", { class: "sub" }, one.venue)),
      row.bid, row.ask, row.spread, row.quantity, row.age, row.state);
    known.set(keys[place], row);
    return row.line;
  });
  const head = [["market", ""], ["bid", "n"], ["ask", "n"], ["spread", "n"], ["bid × ask quantity", "n wide"], ["age", "n"], ["", "wide"]];
  fill(body, el("table", { class: "ticker" },
    el("thead", {}, el("tr", {}, head.map(([name, kind]) => el("th", { class: kind, scope: "col" }, name)))), el("tbody", {}, rows)));
}

function renew(row, one) {
  changed(row.bid, one.bid);
  changed(row.ask, one.ask);
  row.spread.textContent = `${number(one.spread_pct, 3)} %`;
  row.quantity.textContent = `${number(Number(one.bid_quantity))} × ${number(Number(one.ask_quantity))}`;
  row.age.textContent = age(one.age_ms / 1000);
  const state = one.is_stale ? "stale" : one.age_ms > OLD_MS ? "old" : "fresh";
  row.line.dataset.state = state;
  fill(row.state, el("span", { class: `badge ${state === "fresh" ? "good" : "warn"}` }, state));
}

function changed(cell, text) {
  if (cell.textContent === text) return;
  const rose = Number(text) > Number(cell.textContent);
  if (cell.textContent) cell.dataset.moved = rose ? "up" : "down";
  cell.textContent = text;
  setTimeout(() => delete cell.dataset.moved, 600);
}

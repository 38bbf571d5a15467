/* The frame: views by the address's hash, theme, clock.
 *
 * What belongs here: that. What does not: what a view shows (its own file). A view is a function of its place, the parameters in the
 * hash and a signal that ends with it; it returns nothing that anybody waits for. */

import { ask } from "./ask.js";
import { candles } from "./candles.js";
import { catalog } from "./catalog.js";
import { coverage } from "./coverage.js";
import { forecasts } from "./forecasts.js";
import { headlines } from "./headlines.js";
import { live } from "./live.js";
import { el, fill, trouble } from "./make.js";
import { overview } from "./overview.js";
import { quality } from "./quality.js";

const VIEWS = { overview, coverage, live, candles, quality, forecasts, headlines, catalog };
const THEMES = ["auto", "light", "dark"];
const place = document.getElementById("view");
let ending = new AbortController();

/** The view and its parameters, as #candles?venue=mexc says them. */
function where() {
  const [name, query = ""] = location.hash.slice(1).split("?");
  return { name: Object.hasOwn(VIEWS, name) ? name : "overview", parameters: Object.fromEntries(new URLSearchParams(query)) };
}

async function show() {
  ending.abort();
  ending = new AbortController();
  const { signal } = ending;
  const { name, parameters } = where();
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.dataset.view === name) {
      link.setAttribute("aria-current", "page");
      link.scrollIntoView({ block: "nearest", inline: "center" });
    } else link.removeAttribute("aria-current");
  }
  document.title = `${name} · crypto_assets`;
  const section = el("section", { class: `view ${name}`, "aria-label": name });
  fill(place, section);
  try {
    await VIEWS[name](section, parameters, signal);
  } catch (error) {
    if (!signal.aborted) section.append(trouble(error));
  }
}

function theme(chosen) {
  const button = document.getElementById("theme");
  document.documentElement.dataset.theme = chosen;
  fill(button, document.createTextNode(chosen === "auto" ? "◐ auto" : chosen === "light" ? "☀ light" : "☾ dark"));
  button.setAttribute("aria-label", `Colours: ${chosen}. Press for the next.`);
  localStorage.setItem("theme", chosen);
}

function tick() {
  const now = new Date().toISOString();
  const clock = document.getElementById("clock");
  clock.textContent = `${now.slice(0, 10)} ${now.slice(11, 19)} UTC`;
  clock.dateTime = now;
}

async function about() {
  const told = await ask("about");
  document.getElementById("profile").textContent = told.profile;
  document.getElementById("place").textContent = told.database;
  if (/^https?:\/\//.test(told.ui_address)) document.getElementById("ui").href = told.ui_address;
}

fill(document.getElementById("nav"), Object.keys(VIEWS).map((name) => el("a", { href: `#${name}`, data: { view: name } }, name)));
document.getElementById("theme").addEventListener("click", () => {
  theme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length]);
});
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); place.focus(); });
theme(THEMES.includes(localStorage.getItem("theme")) ? localStorage.getItem("theme") : "auto");
tick();
setInterval(tick, 1000);
addEventListener("hashchange", show);
about().catch((error) => { document.getElementById("place").textContent = error.message; });
show();

/* The newest headlines with their scores. A headline is a stranger's text, and its address leads where a stranger wants. */

import { ask } from "./ask.js";
import { el, empty, minute } from "./make.js";

export async function headlines(place, _parameters, signal) {
  const told = await ask("headlines", {}, signal);
  place.append(el("h1", {}, "Headlines"));
  if (!told.length) {
    place.append(empty("No headlines yet:", "crypto-assets collect-world news"));
    return;
  }
  place.append(el("ul", { class: "news" }, told.map((one) => el("li", {},
    el("span", { class: `badge ${one.score > 0.05 ? "good" : one.score < -0.05 ? "bad" : ""}`, title: one.scorer },
      one.score === null ? "–" : one.score.toFixed(2)),
    el("div", {}, title(one), el("span", { class: "sub" }, `${one.publisher} · ${minute(one.seen_at)} · ${one.assets.join(" ") || "market"}`))))));
}

function title(one) {
  let address = null;
  try { address = new URL(one.url); } catch { /* no address: the title stands alone */ }
  if (!address || !["http:", "https:"].includes(address.protocol)) return el("b", {}, one.title);
  return el("a", { href: address.href, rel: "noopener noreferrer nofollow", target: "_blank" }, one.title);
}

/* How scores moved: one small picture a dataset, all on one scale, with the mean and the lowest series. */

import { ask } from "./ask.js";
import { path, responsive, scale, timeAxis, valueAxis } from "./chart.js";
import { choice, el, empty, fill, minute, svg } from "./make.js";

const DAYS = [[1, "1 day"], [7, "7 days"], [30, "30 days"], [90, "90 days"]];
const TALL = 110;
const RIGHT = 44;

export async function quality(place, parameters, signal) {
  const days = DAYS.some(([one]) => String(one) === parameters.days) ? parameters.days : "7";
  const told = await ask("trends", { days }, signal);
  const names = Object.keys(told.datasets);
  place.append(el("h1", {}, "Quality"), el("div", { class: "bar" },
    choice("Span", DAYS, days, (value) => { location.hash = `quality?days=${value}`; }),
    el("div", { class: "legend" }, el("span", { class: "key mean" }, "mean of all series"), el("span", { class: "key worst" }, "lowest series"))));
  if (!names.length) {
    place.append(empty("Nothing was scored in this span:", "crypto-assets quality"));
    return;
  }
  const points = Object.values(told.datasets).flat();
  const low = Math.min(0.99, ...points.map((one) => one.worst ?? 1));
  const end = Date.now();
  const grid = el("div", { class: "multiples" });
  place.append(grid);
  for (const name of names) {
    const picture = el("div", { class: "picture" });
    const last = told.datasets[name].at(-1);
    grid.append(el("figure", {}, el("figcaption", {}, el("b", {}, name), el("span", { class: "n" }, last.overall === null ? "–" : last.overall.toFixed(3))), picture));
    responsive(picture, signal, (width) => fill(picture, draw(name, told.datasets[name], [end - days * 86400e3, end], low, width)));
  }
}

function draw(name, points, span, low, width) {
  const inner = width - RIGHT;
  const x = scale(...span, 0, inner);
  const y = scale(Math.max(0, low - 0.01), 1, TALL, 6);
  const xs = points.map((one) => x(one.at));
  const line = (field) => path(xs, points.map((one) => (one[field] === null ? null : y(one[field]))));
  const label = `${name}: ${points.length} points, the last ${points.at(-1).overall?.toFixed(3) ?? "unknown"} at ${minute(points.at(-1).at)} UTC`;
  return svg("svg", { width, height: TALL + 22, viewBox: `0 0 ${width} ${TALL + 22}`, role: "img", "aria-label": label },
    valueAxis(y, 0, inner, 3, (value) => value.toFixed(2)), timeAxis(x, TALL, inner),
    svg("path", { class: "line worst", d: line("worst") }), svg("path", { class: "line mean", d: line("overall") }),
    points.map((one, i) => (one.overall === null ? null : svg("circle", { class: "point", cx: xs[i].toFixed(1), cy: y(one.overall).toFixed(1), r: 2.6 },
      svg("title", {}, `${minute(one.at)} UTC: mean ${one.overall.toFixed(4)}, lowest ${one.worst.toFixed(4)}, ${one.scores} scores`)))));
}

/* What charts share: scales, axes, lines that break where nothing is known, and drawing anew when the width changes.
 *
 * What belongs here: that. What does not: what is drawn (candle_chart.js, quality.js, forecasts.js). */

import { minute, number, svg } from "./make.js";

/** From values to pixels, and the values between which it lies. */
export function scale(low, high, from, to) {
  const span = high - low || 1;
  const at = (value) => from + ((value - low) / span) * (to - from);
  return Object.assign(at, { low, high, from, to, back: (pixel) => low + ((pixel - from) / (to - from)) * span });
}

/** The least and the greatest of the numbers that are known, with some air; [0, 1] where none is. */
export function range(...lists) {
  let low = Infinity;
  let high = -Infinity;
  for (const list of lists) {
    for (const value of list) {
      if (value === null || !Number.isFinite(value)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  if (low > high) return [0, 1];
  const air = (high - low || Math.abs(high) || 1) * 0.05;
  return [low - air, high + air];
}

/** Round values between the ends of a scale, about so many. */
export function ticks(low, high, wanted) {
  const rough = (high - low) / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(rough || 1));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= rough) ?? power;
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step / 1e6; value += step) found.push(Number(value.toPrecision(12)));
  return found;
}

/** Lines across with their values at the right. */
export function valueAxis(y, left, right, wanted = 4, told = number) {
  return svg("g", { class: "axis" }, ticks(y.low, y.high, wanted).map((value) => [
    svg("line", { x1: left, x2: right, y1: y(value), y2: y(value) }),
    svg("text", { x: right + 6, y: y(value) + 3.5 }, told(value))]));
}

/** Days or hours below, as many as fit. */
export function timeAxis(x, bottom, width) {
  const steps = [900e3, 3600e3, 4 * 3600e3, 12 * 3600e3, 86400e3, 2 * 86400e3, 7 * 86400e3, 30 * 86400e3, 91 * 86400e3, 365 * 86400e3];
  const wanted = Math.max(2, Math.floor(width / 110));
  const step = steps.find((one) => (x.high - x.low) / one <= wanted) ?? steps.at(-1);
  const found = [];
  for (let at = Math.ceil(x.low / step) * step; at <= x.high; at += step) {
    if (x(at) > x.from + 24 && x(at) < x.to - 24) found.push(at);
  }
  const text = (at) => (step >= 86400e3 ? minute(at).slice(5, 10) : minute(at).slice(11) === "00:00" ? minute(at).slice(5, 10) : minute(at).slice(11));
  return svg("g", { class: "axis" }, found.map((at) => [
    svg("line", { x1: x(at), x2: x(at), y1: bottom, y2: bottom + 4, class: "tick" }),
    svg("text", { x: x(at), y: bottom + 15, "text-anchor": "middle" }, text(at))]));
}

/** A path through points; it breaks where a value is not known, and where `follows` says that two points are no neighbours. */
export function path(xs, ys, follows = () => true) {
  let drawn = "";
  let isDown = false;
  for (let i = 0; i < xs.length; i += 1) {
    if (ys[i] === null || !Number.isFinite(ys[i])) { isDown = false; continue; }
    const joins = isDown && follows(i - 1, i);
    drawn += `${joins ? "L" : "M"}${xs[i].toFixed(1)},${ys[i].toFixed(1)}`;
    isDown = true;
  }
  return drawn;
}

/** Draw now, and again whenever the place's width changes, until the signal. */
export function responsive(place, signal, draw) {
  let width = 0;
  const observer = new ResizeObserver(() => {
    const now = Math.floor(place.clientWidth);
    if (now && now !== width) { width = now; draw(now); }
  });
  observer.observe(place);
  signal.addEventListener("abort", () => observer.disconnect());
}

/** Patterns by state, so that colour is never all that tells them apart; refer to them as url(#p-state). */
export function patterns() {
  const stripes = (id, turn) => svg("pattern", { id, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: `rotate(${turn})`, class: id },
    svg("rect", { width: 6, height: 6, class: "ground" }), svg("line", { x1: 0, y1: 0, x2: 0, y2: 6, class: "stroke" }));
  const dots = svg("pattern", { id: "p-venue_quiet", width: 6, height: 6, patternUnits: "userSpaceOnUse", class: "p-venue_quiet" },
    svg("rect", { width: 6, height: 6, class: "ground" }), svg("circle", { cx: 3, cy: 3, r: 1.1, class: "dot" }));
  return svg("defs", {}, stripes("p-missing", 45), stripes("p-unrecoverable", -45), stripes("p-venue_outage", 90), dots,
    stripes("p-not_listed", 0), stripes("p-not_collected", 0), stripes("p-unnamed", 20),
    stripes("p-archived", 90), stripes("p-dropped", -20));
}

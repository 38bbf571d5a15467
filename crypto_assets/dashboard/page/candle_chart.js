/* One picture of bars: candles with their bands, volume, RSI, and what is absent, marked by its state.
 *
 * What belongs here: drawing, and the cross that reads a bar. What does not: choosing and asking (candles.js). Time is the scale, so a
 * hole takes the room of its bars; no line crosses it. */

import { path, patterns, range, scale, timeAxis, valueAxis } from "./chart.js";
import { LETTERS, el, fill, minute, number, svg, words } from "./make.js";

const RIGHT = 58; // pixels for values
const GAP = 14;

/** Draw into `place`, as wide as that is. `told` is the line that says what the cross is on. */
export function drawCandles(place, data, told, width) {
  const tall = width < 600 ? 200 : 300;
  const low = width < 600 ? 54 : 70;
  const inner = width - RIGHT;
  const rows = { price: [8, tall], volume: [tall + GAP, tall + GAP + low], rsi: [tall + 2 * GAP + low, tall + 2 * GAP + 2 * low] };
  const height = rows.rsi[1] + 22;
  const step = data.seconds * 1000;
  const x = scale(data.start, data.end, 0, inner);
  const middle = data.opened_at.map((at) => x(at + step / 2));
  const y = scale(...range(data.low, data.high, data.indicators.bollinger_upper, data.indicators.bollinger_lower), rows.price[1], rows.price[0]);
  const volume = scale(0, Math.max(...data.volume.map((one) => one ?? 0), 1e-12), rows.volume[1], rows.volume[0]);
  const rsi = scale(0, 100, rows.rsi[1], rows.rsi[0]);
  const follows = (one, other) => data.opened_at[other] - data.opened_at[one] === step;
  const body = Math.max(1, Math.min(14, x(data.start + step) - x(data.start) - (width < 600 ? 0.6 : 1.6)));
  const line = (name, place_ = y) => path(middle, data.indicators[name].map((one) => (one === null ? null : place_(one))), follows);
  const cross = svg("g", { class: "cross", visibility: "hidden" }, svg("line", { y1: 0, y2: rows.rsi[1] }));
  const picture = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": summary(data) },
    patterns(),
    valueAxis(y, 0, inner, width < 600 ? 4 : 6), valueAxis(volume, 0, inner, 2, (one) => (one ? number(one, 2) : "")),
    rsiAxis(rsi, inner), timeAxis(x, rows.rsi[1], inner),
    absent(data, x, rows),
    svg("path", { class: "band", d: band(data, middle, y, follows) }),
    svg("path", { class: "line bollinger", d: line("bollinger_upper") }), svg("path", { class: "line bollinger", d: line("bollinger_lower") }),
    candles(data, middle, y, body),
    svg("path", { class: "line sma", d: line("sma_20") }),
    bars(data, middle, volume, body), svg("path", { class: "line rsi", d: line("rsi_14", rsi) }),
    svg("text", { class: "label", x: 4, y: rows.volume[0] + 9 }, "volume"), svg("text", { class: "label", x: 4, y: rows.rsi[0] + 9 }, "rsi_14"),
    cross);
  const chart = el("div", { class: "chart", tabindex: 0, role: "group", "aria-label": "Chart; the arrow keys read bar by bar" }, picture);
  fill(place, chart);
  reading(chart, data, x, cross, told);
}

function rsiAxis(rsi, inner) {
  return svg("g", { class: "axis" }, [30, 70].map((value) => [
    svg("line", { x1: 0, x2: inner, y1: rsi(value), y2: rsi(value), class: "bound" }),
    svg("text", { x: inner + 6, y: rsi(value) + 3.5 }, value)]));
}

function candles(data, middle, y, body) {
  const shapes = { up: "", down: "" };
  const wicks = { up: "", down: "" };
  for (let i = 0; i < middle.length; i += 1) {
    const kind = data.close[i] >= data.open[i] ? "up" : "down";
    const top = y(Math.max(data.open[i], data.close[i]));
    const tall = Math.max(1, y(Math.min(data.open[i], data.close[i])) - top);
    const left = (middle[i] - body / 2).toFixed(1);
    wicks[kind] += `M${middle[i].toFixed(1)},${y(data.high[i]).toFixed(1)}V${y(data.low[i]).toFixed(1)}`;
    shapes[kind] += `M${left},${top.toFixed(1)}h${body.toFixed(1)}v${tall.toFixed(1)}h${(-body).toFixed(1)}z`;
  }
  return svg("g", { class: "candles" }, ["up", "down"].map((kind) => [
    svg("path", { class: `wick ${kind}`, d: wicks[kind] }), svg("path", { class: `body ${kind}`, d: shapes[kind] })]));
}

function bars(data, middle, volume, body) {
  let drawn = "";
  for (let i = 0; i < middle.length; i += 1) {
    if (data.volume[i] === null) continue;
    const top = volume(data.volume[i]);
    drawn += `M${(middle[i] - body / 2).toFixed(1)},${volume.from}V${top.toFixed(1)}h${body.toFixed(1)}V${volume.from}z`;
  }
  return svg("path", { class: "volume", d: drawn });
}

/** The room between the bands, in parts that no hole cuts. */
function band(data, middle, y, follows) {
  const { bollinger_upper: upper, bollinger_lower: lower } = data.indicators;
  let drawn = "";
  let part = [];
  const close = () => {
    if (part.length > 1) {
      const there = part.map((i) => `${middle[i].toFixed(1)},${y(upper[i]).toFixed(1)}`).join("L");
      const back = part.toReversed().map((i) => `${middle[i].toFixed(1)},${y(lower[i]).toFixed(1)}`).join("L");
      drawn += `M${there}L${back}z`;
    }
    part = [];
  };
  for (let i = 0; i < middle.length; i += 1) {
    if (upper[i] === null || lower[i] === null) { close(); continue; }
    if (part.length && !follows(part.at(-1), i)) close();
    part.push(i);
  }
  close();
  return drawn;
}

function absent(data, x, rows) {
  return svg("g", { class: "absent" }, data.absent.map((one) => {
    const left = x(one.start);
    const wide = Math.max(1.5, x(one.end) - left);
    return svg("g", { data: { state: one.state, bars: one.bars } }, svg("title", {}, sentence(one)),
      svg("rect", { x: left.toFixed(1), y: 0, width: wide.toFixed(1), height: rows.rsi[1], fill: `url(#p-${one.state})` }),
      wide > 9 ? svg("text", { x: (left + wide / 2).toFixed(1), y: 14, "text-anchor": "middle" }, LETTERS[one.state] ?? "?") : null);
  }));
}

/** What is absent, in words. */
export function sentence(one) {
  return `${one.bars} ${one.bars === 1 ? "bar" : "bars"} ${words(one.state)}, ${minute(one.start)} to ${minute(one.end)} UTC. ${one.why}`.trim();
}

function summary(data) {
  const lacking = data.absent.reduce((sum, one) => sum + one.bars, 0);
  return `${data.opened_at.length} bars of ${data.venue} ${data.symbol}, ${lacking} absent, ${minute(data.start)} to ${minute(data.end)} UTC`;
}

function reading(chart, data, x, cross, told) {
  const step = data.seconds * 1000;
  let at = data.end - step;
  const say = (time) => {
    at = Math.min(Math.max(Math.floor(time / step) * step, data.start), data.end - step);
    cross.setAttribute("visibility", "visible");
    cross.setAttribute("transform", `translate(${x(at + step / 2).toFixed(1)},0)`);
    const place = data.opened_at.indexOf(at);
    const hole = data.absent.find((one) => one.start <= at && at < one.end);
    told.textContent = place >= 0 ? values(data, place) : hole ? sentence(hole) : `${minute(at)} UTC: nothing is known.`;
  };
  const picture = chart.firstChild;
  picture.addEventListener("pointermove", (event) => say(x.back(event.clientX - picture.getBoundingClientRect().left)));
  picture.addEventListener("pointerleave", () => cross.setAttribute("visibility", "hidden"));
  chart.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20 };
    if (!(event.key in steps)) return;
    event.preventDefault();
    say(at + steps[event.key] * step);
  });
}

function values(data, i) {
  const indicators = Object.entries(data.indicators).map(([name, list]) => `${words(name)} ${number(list[i], 5)}`).join("  ");
  return `${minute(data.opened_at[i])} UTC  open ${number(data.open[i], 6)}  high ${number(data.high[i], 6)}  low ${number(data.low[i], 6)}`
    + `  close ${number(data.close[i], 6)}  volume ${number(data.volume[i])}  ${indicators}`;
}

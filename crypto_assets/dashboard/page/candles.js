/* Bars of one market: choosing it, asking, and what is absent as a list below the picture (candle_chart.js). */

import { ask } from "./ask.js";
import { drawCandles, sentence } from "./candle_chart.js";
import { responsive } from "./chart.js";
import { choice, el, empty, fill } from "./make.js";
import { chip } from "./overview.js";

const BARS = [60, 120, 240, 500, 1000];
const ORDER = ["1m", "5m", "15m", "30m", "1h", "4h", "1d"];

export async function candles(place, parameters, signal) {
  const series = await ask("series", {}, signal);
  place.append(el("h1", {}, "Candles"));
  if (!series.length) {
    place.append(empty("No bars yet:", "crypto-assets backfill --from 2026-01-01"));
    return;
  }
  const chosen = choose(series, parameters);
  const bars = BARS.includes(Number(parameters.bars)) ? parameters.bars : innerWidth < 600 ? "60" : "240";
  const go = (changed) => {
    const { venue, symbol, timeframe } = chosen;
    location.hash = `candles?${new URLSearchParams({ venue, symbol, timeframe, bars, ...changed })}`;
  };
  const places = [...new Set(series.map((one) => `${one.venue}\n${one.symbol}`))];
  const frames = series.filter((one) => one.venue === chosen.venue && one.symbol === chosen.symbol).map((one) => one.timeframe);
  frames.sort((one, other) => ORDER.indexOf(one) - ORDER.indexOf(other));
  const told = el("p", { class: "told", role: "status" });
  const picture = el("div", { class: "picture" });
  const below = el("div", { class: "stack" });
  place.append(
    el("div", { class: "bar" },
      choice("Market", places.map((one) => [one, one.split("\n").reverse().join(" · ")]), `${chosen.venue}\n${chosen.symbol}`, (value) => {
        const [venue, symbol] = value.split("\n");
        go({ venue, symbol });
      }),
      choice("Bars of", frames.map((one) => [one, one]), chosen.timeframe, (value) => go({ timeframe: value })),
      choice("Shown", BARS.map((one) => [one, one]), bars, (value) => go({ bars: value })),
      el("div", { class: "legend" }, el("span", { class: "key sma" }, "sma_20"), el("span", { class: "key bollinger" }, "bollinger"), el("span", { class: "key rsi" }, "rsi_14"))),
    told, picture, below);
  const { venue, symbol, timeframe } = chosen;
  const until = /^\d{1,13}$/.test(parameters.until ?? "") ? { until: parameters.until } : {};
  const data = await ask("candles", { venue, symbol, timeframe, bars, ...until }, signal);
  told.textContent = "Point at a bar, or focus the picture and use the arrow keys.";
  responsive(picture, signal, (width) => drawCandles(picture, data, told, width));
  fill(below, absences(data));
}

function choose(series, wanted) {
  const fits = (...names) => series.find((one) => names.every((name) => one[name] === wanted[name]));
  const preferred = series.filter((one) => one.timeframe === "1h");
  return fits("venue", "symbol", "timeframe") ?? fits("venue", "symbol") ?? preferred[0] ?? series[0];
}

function absences(data) {
  if (!data.absent.length) return empty(`All ${data.opened_at.length} bars of this span are there.`);
  return [
    el("h2", {}, "Absent"),
    el("ul", { class: "lines" }, data.absent.map((one) => el("li", {}, chip(one.state), el("span", { class: "sub" }, ` ${sentence(one)}`)))),
  ];
}

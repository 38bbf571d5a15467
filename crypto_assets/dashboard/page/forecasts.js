/* Forecasts beside the baseline and the truth: who is champion, how it does, and one series over time. */

import { ask } from "./ask.js";
import { path, range, responsive, scale, timeAxis, valueAxis } from "./chart.js";
import { choice, count, el, empty, fill, minute, number, percent, svg } from "./make.js";
import { small, when } from "./overview.js";

const RIGHT = 58;

export async function forecasts(place, parameters, signal) {
  const [told, subjects] = await Promise.all([ask("overview", {}, signal), ask("subjects", {}, signal)]);
  place.append(el("h1", {}, "Forecasts"), champions(told));
  if (!subjects.length) {
    place.append(empty("Nothing was forecast of late:", "crypto-assets models train"));
    return;
  }
  const key = (one) => `${one.forecast}\n${one.domain}\n${one.series}`;
  const wanted = [parameters.forecast, parameters.domain, parameters.series].join("\n");
  const chosen = subjects.find((one) => key(one) === wanted) ?? subjects[0];
  const picture = el("div", { class: "picture" });
  const line = el("p", { class: "told", role: "status" });
  place.append(
    el("div", { class: "bar" }, choice("Forecast of", subjects.map((one) => [key(one), `${one.forecast} · ${one.domain} · ${one.series}`]), key(chosen), (value) => {
      const [forecast, domain, series] = value.split("\n");
      location.hash = `forecasts?${new URLSearchParams({ forecast, domain, series })}`;
    }),
    el("div", { class: "legend" }, el("span", { class: "key mean" }, "forecast, q10 to q90"), el("span", { class: "key baseline" }, "baseline"), el("span", { class: "key truth" }, "what came"))),
    picture, line);
  const said = await ask("forecast", { forecast: chosen.forecast, domain: chosen.domain, series: chosen.series }, signal);
  line.textContent = sentence(said);
  responsive(picture, signal, (width) => fill(picture, draw(said, width)));
}

function champions(told) {
  if (!told.champions.length) return empty("No forecast has a champion yet:", "crypto-assets models train");
  const live = Object.fromEntries(told.live.map((one) => [one.forecast, one]));
  return small(["forecast", "version", "skill", "live error", "baseline's", "within q10–q90", "learned up to"], told.champions.map((one) => {
    const now = live[one.forecast];
    return [el("b", {}, one.forecast), one.version, [percent(one.skill), el("span", { class: "sub wide" }, ` (${percent(one.skill_low, 0)} … ${percent(one.skill_high, 0)})`)],
      now ? el("span", { class: now.error <= now.baseline_error ? "good" : "bad" }, number(now.error, 3)) : "–",
      now ? number(now.baseline_error, 3) : "–", now ? `${percent(now.coverage, 0)} of ${count(now.outcomes)}` : "–", when(one.trained_to)];
  }), [1, 2, 3, 4, 5], [1, 5, 6]);
}

function sentence(said) {
  const known = said.truth.map((truth, i) => ({ truth, i })).filter((one) => one.truth !== null);
  const mean = (list) => known.reduce((sum, { truth, i }) => sum + Math.abs(truth - list[i]), 0) / known.length;
  if (!known.length) return `${said.decided_at.length} decisions; none has come true yet.`;
  return `${known.length} of ${said.decided_at.length} decisions came true: mean error ${number(mean(said.yhat), 3)}, of the baseline (${said.baseline_name})`
    + ` ${number(mean(said.baseline), 3)}. All are changes of the logarithm; 0.01 is about one percent.`;
}

function draw(said, width) {
  const tall = width < 600 ? 190 : 260;
  const inner = width - RIGHT;
  const times = said.decided_at;
  const step = times.length > 1 ? Math.min(...times.slice(1).map((at, i) => at - times[i])) : 1;
  const x = scale(times[0], times.at(-1), 4, inner - 4);
  const y = scale(...range(said.q10, said.q90, said.yhat, said.baseline, said.truth), tall, 6);
  const xs = times.map(x);
  const follows = (one, other) => times[other] - times[one] <= 1.5 * step;
  const line = (name) => path(xs, said[name].map((one) => (one === null ? null : y(one))), follows);
  const label = `${said.forecast} of ${said.domain} ${said.series}, ${minute(times[0])} to ${minute(times.at(-1))} UTC`;
  return svg("svg", { width, height: tall + 22, viewBox: `0 0 ${width} ${tall + 22}`, role: "img", "aria-label": label },
    valueAxis(y, 0, inner, 5, (value) => number(value, 2)), timeAxis(x, tall, inner),
    svg("path", { class: "band", d: band(said, xs, y, follows) }),
    svg("path", { class: "line baseline", d: line("baseline") }), svg("path", { class: "line mean", d: line("yhat") }),
    said.truth.map((truth, i) => (truth === null ? null : svg("circle", { class: "truth", cx: xs[i].toFixed(1), cy: y(truth).toFixed(1), r: 2.4 },
      svg("title", {}, `${minute(times[i])} UTC: said ${number(said.yhat[i], 3)}, baseline ${number(said.baseline[i], 3)}, came ${number(truth, 3)}`)))));
}

function band(said, xs, y, follows) {
  let drawn = "";
  for (let first = 0; first < xs.length;) {
    let last = first;
    while (last + 1 < xs.length && follows(last, last + 1)) last += 1;
    const places = Array.from({ length: last - first + 1 }, (_, i) => first + i);
    const there = places.map((i) => `${xs[i].toFixed(1)},${y(said.q90[i]).toFixed(1)}`).join("L");
    const back = places.toReversed().map((i) => `${xs[i].toFixed(1)},${y(said.q10[i]).toFixed(1)}`).join("L");
    drawn += `M${there}L${back}z`;
    first = last + 1;
  }
  return drawn;
}

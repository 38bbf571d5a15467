/* Building the page, and saying numbers and times.
 *
 * What belongs here: elements from data, and formats. What does not: what is shown. Text goes in as text nodes alone: whatever a
 * stranger put into a symbol or a headline stays letters. */

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes (on… are listeners, data is a dataset) and children; null and false are left out. */
export function el(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same of SVG. */
export function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "data") Object.assign(made.dataset, value);
    else made.setAttribute(key, value === true ? "" : String(value));
  }
  for (const child of children.flat(3)) {
    if (child === null || child === undefined || child === false) continue;
    made.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return made;
}

/** Put children in the place of all that is there. */
export function fill(place, ...children) {
  place.replaceChildren(...children.flat(3).filter((one) => one !== null && one !== undefined && one !== false));
}

/** A choice with a label; `choices` are [value, text]; `changed` is told the value. */
export function choice(label, choices, chosen, changed) {
  const options = choices.map(([value, text]) => el("option", { value, selected: String(value) === String(chosen) }, text));
  const select = el("select", { onchange: (event) => changed(event.target.value) }, options);
  return el("label", { class: "field" }, el("span", {}, label), select);
}

/** What is said where there is nothing, with the command that brings something. */
export function empty(text, command = "") {
  return el("p", { class: "empty" }, text, command ? [" ", el("code", {}, command)] : null);
}

/** A trouble in a line. */
export function trouble(error) {
  return el("p", { class: "trouble", role: "alert" }, error.message || String(error));
}

/** Four digits that matter, thousands apart. */
export function number(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1000) return value.toLocaleString("en", { maximumFractionDigits: size >= 100000 ? 0 : 1 });
  return value.toLocaleString("en", { maximumSignificantDigits: digits });
}

/** A whole number in few letters: 1.2 M. */
export function count(value) {
  if (value === null || value === undefined) return "–";
  for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e4]]) {
    if (value >= size) return `${(value / (unit === "k" ? 1e3 : size)).toFixed(value >= 100 * size ? 0 : 1)} ${unit}`;
  }
  return Math.round(value).toLocaleString("en");
}

/** Bytes in few letters. */
export function bytes(value) {
  if (value === null || value === undefined) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let place = 0;
  while (value >= 1000 && place < units.length - 1) { value /= 1000; place += 1; }
  return `${value >= 100 || place === 0 ? Math.round(value) : value.toFixed(1)} ${units[place]}`;
}

/** An age or a length in its largest unit. */
export function age(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  for (const [unit, length] of [["d", 86400], ["h", 3600], ["min", 60]]) {
    if (seconds >= 2 * length) return `${Math.floor(seconds / length)} ${unit}`;
  }
  return seconds < 10 ? `${seconds.toFixed(1)} s` : `${Math.round(seconds)} s`;
}

/** A share in percent. */
export function percent(share, digits = 1) {
  return share === null || share === undefined || !Number.isFinite(share) ? "–" : `${(100 * share).toFixed(digits)} %`;
}

/** 2026-03-10 12:00, UTC. */
export function minute(milliseconds) {
  return new Date(milliseconds).toISOString().slice(0, 16).replace("T", " ");
}

/** A name that may be broken behind its slashes and underscores. */
export function breakable(name) {
  return name.split(/(?<=[/_])/).flatMap((part, place) => (place ? [el("wbr"), part] : [part]));
}

/** A state's name as it is read. */
export function words(state) {
  return state.replaceAll("_", " ");
}

/** The letter that stands for a state wherever its colour does. */
export const LETTERS = {
  missing: "M", unrecoverable: "U", venue_outage: "O", venue_quiet: "Q", not_listed: "N", archived: "A", dropped: "D", unnamed: "?",
  present: "", not_collected: "",
};

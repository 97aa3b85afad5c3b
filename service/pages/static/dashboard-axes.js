// The frame of a chart: axes with ticks and units, grid, legend, a sentence for screen readers, and a table.

import { timeElement } from "./dashboard-parts.js";
import { el } from "./dom.js";
import { LANGUAGE, t } from "./text.js";

/** Size of the plot in its own units; it is stretched. */
export const WIDTH = 600;
export const HEIGHT = 120;

const ROWS = 12; // of the table
const TICKS = 5; // of the time axis, at most: a phone has no room for more
const MINUTE = 60000;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880].map((minutes) => minutes * MINUTE);
const DAY = 1440 * MINUTE;

/**
 * @typedef {object} Span of the time axis, in ms since 1970
 * @property {number} begin
 * @property {number} end
 */

/** @param {Span} span @returns {(t: number) => number} 0 to WIDTH */
export const xScale = ({ begin, end }) => (t) => Math.min(WIDTH, Math.max(0, ((t - begin) / (end - begin)) * WIDTH));

/**
 * @param {object} chart
 * @param {string} chart.name with the unit
 * @param {string} chart.summary
 * @param {[number, string][]} chart.ticks of the vertical axis: height in 0 to HEIGHT, and its label
 * @param {any[]} chart.shapes
 * @param {[string, string][]} [chart.legend] class of the sign, and its text
 * @param {Span} chart.span
 * @param {{at: string}[]} chart.points of the table, oldest first
 * @param {[string, (point: any) => any][]} chart.columns of the table
 */
export function chart({ name, summary, ticks, shapes, legend = [], span, points, columns }) {
  const percent = (share) => `${(100 * share).toFixed(2)}%`;
  const marks = timeTicks(span).map(([at, label]) => {
    const x = percent(xScale(span)(at) / WIDTH);
    return [el("line", { x1: x, x2: x, y1: 0, y2: "100%", class: "grid" }), el("text", { x, y: "100%", dy: "1.5em", "text-anchor": "middle", text: label })];
  });
  const heights = ticks.map(([height, label]) => {
    const y = percent(1 - height / HEIGHT);
    return [el("line", { x1: 0, x2: "100%", y1: y, y2: y, class: "grid" }), el("text", { x: -8, y, dy: ".35em", "text-anchor": "end", text: label })];
  });
  const plot = el("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: "100%", height: "100%", preserveAspectRatio: "none" }, shapes);
  return el(
    "figure",
    { class: "chart", "data-key": name },
    el("figcaption", {}, el("strong", {}, name), el("span", { class: "quiet small" }, ` ${summary}`)),
    el("svg", { class: "frame", role: "img", "aria-label": t("text.labelled", { label: name, text: summary }) }, heights, plot, marks),
    legend.length
      ? el("ul", { class: "legend small", "aria-hidden": "true" }, legend.map(([sign, text]) => el("li", {}, el("svg", { class: "sign", viewBox: "0 0 24 12" }, el("path", { class: sign, d: sign.includes("column") ? "M0,1 H24 V11 H0 Z" : "M0,6 H24" })), text)))
      : null,
    table(name, points, columns),
  );
}

/** Round times of the clock, and how to write them. @param {Span} span @returns {[number, string][]} */
function timeTicks({ begin, end }) {
  const step = STEPS.find((each) => (end - begin) / each <= TICKS) ?? STEPS.at(-1);
  const form = step >= DAY ? { weekday: "short", day: "numeric" } : { hour: "2-digit", minute: "2-digit", hour12: false };
  const offset = new Date(end).getTimezoneOffset() * MINUTE;
  const first = Math.ceil((begin - offset) / step) * step + offset;
  const ticks = [];
  for (let at = first; at <= end; at += step) ticks.push([at, new Date(at).toLocaleString(LANGUAGE, form)]);
  return ticks;
}

function table(name, points, columns) {
  const shown = points.slice(-ROWS).reverse();
  return el(
    "details",
    {},
    el("summary", { class: "small" }, t("chart.as_table"), el("span", { class: "visually-hidden" }, `: ${name}`)),
    el(
      "div",
      { class: "scrolls", tabindex: "0", role: "group", "aria-label": name },
      el(
        "table",
        {},
        el("caption", { class: "visually-hidden" }, t("chart.points", { name, count: shown.length })),
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, t("chart.from")), columns.map(([title]) => el("th", { scope: "col" }, title)))),
        el("tbody", {}, shown.map((point) => el("tr", { "data-key": point.at }, el("td", {}, timeElement(point.at)), columns.map(([, read]) => el("td", {}, read(point)))))),
      ),
    ),
  );
}

/** Split the points where data is missing, so that no line bridges a gap. */
export function splitAtGaps(points, width) {
  const runs = [];
  for (const point of points) {
    const last = runs.at(-1);
    if (last && point.t - last.at(-1).t <= 2.5 * width) last.push(point);
    else runs.push([point]);
  }
  return runs;
}

/** The next round number, 4 or more, that is not below `value`. */
export function niceMaximum(value) {
  let step = 1;
  for (;;) {
    for (const each of [4, 6, 8, 10, 20, 30]) if (value <= each * step) return each * step;
    step *= 10;
  }
}

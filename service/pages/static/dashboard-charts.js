// The charts of queue length and throughput: SVG, a sentence for screen readers, and a table.

import { timeElement } from "./dashboard-parts.js";
import { el, render } from "./dom.js";
import { formatNumber } from "./format.js";
import { t } from "./text.js";

const WIDTH = 600;
const HEIGHT = 120;
const ROWS = 12; // of the table

export function showCharts(container, history, now) {
  const end = now;
  const begin = end - history.minutes * 60000;
  const width = history.point_seconds * 1000;
  const points = history.points.map((point) => ({ ...point, t: Date.parse(point.at) })).filter((point) => point.t + width > begin);
  render(container, queue(points, begin, end, width), throughput(points, begin, end, width));
}

function queue(points, begin, end, width) {
  const top = niceMaximum(Math.max(...points.map((point) => point.waiting), 0));
  const x = xScale(begin, end);
  const y = (value) => HEIGHT - (value / top) * HEIGHT;
  const areas = splitAtGaps(points, width).map((run) => {
    const line = run.map((point) => `${x(point.t).toFixed(1)},${y(point.waiting).toFixed(1)} ${x(point.t + width).toFixed(1)},${y(point.waiting).toFixed(1)}`);
    return el("path", { class: "area", d: `M${x(run[0].t).toFixed(1)},${HEIGHT} L${line.join(" ")} L${x(run.at(-1).t + width).toFixed(1)},${HEIGHT} Z` });
  });
  const highest = points.reduce((highest, point) => (point.waiting > (highest?.waiting ?? -1) ? point : highest), null);
  const summary = highest
    ? t("chart.queue_summary", { now: points.at(-1).waiting, highest: highest.waiting })
    : t("chart.no_data");
  return chart(t("chart.queue"), summary, top, areas, begin, end, points, [
    [t("figure.waiting"), (point) => formatNumber(point.waiting)],
    [t("figure.running"), (point) => formatNumber(point.running)],
    [t("figure.workers"), (point) => formatNumber(point.workers)],
  ]);
}

function throughput(points, begin, end, width) {
  const rate = (point, name) => (point.seconds ? (point[name] * 60) / point.seconds : 0);
  const top = niceMaximum(Math.max(...points.map((point) => rate(point, "succeeded") + rate(point, "failed")), 0));
  const x = xScale(begin, end);
  const height = (value) => (value / top) * HEIGHT;
  const bars = points.flatMap((point) => {
    const barWidth = Math.max(0.5, x(point.t + width) - x(point.t) - 0.5);
    const good = height(rate(point, "succeeded"));
    const bad = height(rate(point, "failed"));
    const at = { x: x(point.t).toFixed(1), width: barWidth.toFixed(1) };
    return [
      good ? el("rect", { ...at, class: "good", y: (HEIGHT - good).toFixed(1), height: good.toFixed(1) }) : null,
      bad ? el("rect", { ...at, class: "bad", y: (HEIGHT - good - bad).toFixed(1), height: bad.toFixed(1) }) : null,
    ];
  });
  const sum = (name) => points.reduce((total, point) => total + point[name], 0);
  const sums = { done: sum("succeeded"), failed: sum("failed"), asked: sum("asked") };
  const summary = points.length ? t("chart.throughput_summary", sums) : t("chart.no_data");
  return chart(t("chart.throughput"), summary, top, bars, begin, end, points, [
    [t("figure.new"), (point) => formatNumber(point.asked)],
    [t("figure.started"), (point) => formatNumber(point.started)],
    [t("figure.done"), (point) => formatNumber(point.succeeded)],
    [t("figure.failed"), (point) => formatNumber(point.failed)],
  ]);
}

function chart(name, summary, top, shapes, begin, end, points, columns) {
  const middle = { x1: 0, x2: WIDTH, y1: HEIGHT / 2, y2: HEIGHT / 2, class: "grid" };
  return el(
    "figure",
    { class: "chart", "data-key": name },
    el("figcaption", {}, el("strong", {}, name), el("span", { class: "quiet small" }, ` ${summary}`)),
    el(
      "div",
      { class: "plot" },
      el("span", { class: "small quiet", "aria-hidden": "true" }, formatNumber(top)),
      el("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": t("text.labelled", { label: name, text: summary }) }, el("line", middle), shapes.filter(Boolean)),
    ),
    el("div", { class: "ends small quiet", "aria-hidden": "true" }, timeElement(new Date(begin).toISOString(), { seconds: false }), t("chart.now")),
    table(name, points, columns),
  );
}

function table(name, points, columns) {
  const shown = points.slice(-ROWS).reverse();
  return el(
    "details",
    {},
    el("summary", { class: "small" }, t("chart.as_table"), el("span", { class: "visually-hidden" }, `: ${name}`)),
    el(
      "table",
      {},
      el("caption", { class: "visually-hidden" }, t("chart.points", { name, count: shown.length })),
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, t("chart.from")), columns.map(([title]) => el("th", { scope: "col" }, title)))),
      el("tbody", {}, shown.map((point) => el("tr", { "data-key": point.at }, el("td", {}, timeElement(point.at)), columns.map(([, read]) => el("td", {}, read(point)))))),
    ),
  );
}

/** Split the points where data is missing, so that no line bridges a gap. */
function splitAtGaps(points, width) {
  const runs = [];
  for (const point of points) {
    const last = runs.at(-1);
    if (last && point.t - last.at(-1).t <= 2.5 * width) last.push(point);
    else runs.push([point]);
  }
  return runs;
}

const xScale = (begin, end) => (t) => Math.min(WIDTH, Math.max(0, ((t - begin) / (end - begin)) * WIDTH));

/** The next round number, 4 or more, that is not below `value`. */
function niceMaximum(value) {
  let step = 1;
  for (;;) {
    for (const each of [4, 6, 8, 10, 15, 20, 30]) if (value <= each * step) return each * step;
    step *= 10;
  }
}

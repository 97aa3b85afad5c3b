// The charts: waiting tasks, finished tasks, refused requests, durations.

import { HEIGHT, WIDTH, chart, niceMaximum, splitAtGaps, xScale } from "./dashboard-axes.js";
import { el, render } from "./dom.js";
import { formatDuration, formatNumber } from "./format.js";
import { t } from "./text.js";

/** Durations of the API, and their texts. */
const DURATIONS = { request: "duration.request", wait: "duration.wait", run: "duration.run" };
const NAMES = Object.keys(DURATIONS);

/**
 * @param {HTMLElement} container
 * @param {{history: any, activity: any, waiting: number}} data of the API; `waiting` is the figure "Waiting"
 * @param {number} now ms since 1970
 */
export function showCharts(container, { history, activity, waiting }, now) {
  const span = { begin: now - history.minutes * 60000, end: now };
  const past = timed(history, span);
  const done = timed(activity, span);
  const width = history.point_seconds * 1000;
  render(container, queue(past, span, width, waiting), throughput(past, span, width), refusals(done, span, activity.point_seconds * 1000), durations(done, span, activity));
}

/** The points within the span, each with its time, and the seconds of it that have passed. */
function timed({ points, point_seconds: seconds }, { begin, end }) {
  return points
    .map((point) => ({ ...point, t: Date.parse(point.at) }))
    .filter(({ t }) => t + seconds * 1000 > begin && t < end)
    .map((point) => ({ ...point, covered: point.seconds ?? Math.max(1, Math.min(seconds, (end - point.t) / 1000)) }));
}

function queue(points, span, width, waiting) {
  const highest = Math.max(waiting, ...points.map((point) => point.waiting));
  const top = niceMaximum(highest);
  const x = xScale(span);
  const y = (value) => (HEIGHT - (value / top) * HEIGHT).toFixed(1);
  const areas = splitAtGaps(points, width).map((run) => {
    const steps = run.map((point) => `${x(point.t).toFixed(1)},${y(point.waiting)} ${x(point.t + width).toFixed(1)},${y(point.waiting)}`);
    const end = x(run.at(-1).t + width);
    if (end >= WIDTH) steps.push(`${WIDTH},${y(waiting)}`); // it ends at the number that the figure says
    return el("path", { class: "area", d: `M${x(run[0].t).toFixed(1)},${HEIGHT} L${steps.join(" ")} L${end.toFixed(1)},${HEIGHT} Z` });
  });
  return chart({
    name: t("chart.queue"),
    summary: points.length ? t("chart.queue_summary", { now: waiting, highest }) : t("chart.no_data"),
    ticks: evenTicks(top),
    shapes: areas,
    span,
    points,
    columns: [
      [t("chart.most_waiting"), (point) => formatNumber(point.waiting)],
      [t("chart.most_running"), (point) => formatNumber(point.running)],
      [t("figure.workers"), (point) => formatNumber(point.workers)],
    ],
  });
}

function throughput(points, span, width) {
  const sum = (name) => points.reduce((total, point) => total + point[name], 0);
  const sums = { done: sum("succeeded"), failed: sum("failed"), asked: sum("asked") };
  const series = [["good column", "succeeded"], ["bad column", "failed"]];
  return chart({
    ...columns(points, span, width, series),
    name: t("chart.throughput"),
    summary: points.length ? t("chart.throughput_summary", sums) : t("chart.no_data"),
    legend: [["good column", t("figure.done")], ["bad column", t("figure.failed")]],
    columns: [
      [t("figure.new"), (point) => formatNumber(point.asked)],
      [t("figure.started"), (point) => formatNumber(point.started)],
      [t("figure.done"), (point) => formatNumber(point.succeeded)],
      [t("figure.failed"), (point) => formatNumber(point.failed)],
    ],
  });
}

function refusals(points, span, width) {
  const count = points.reduce((total, point) => total + point.refused, 0);
  return chart({
    ...columns(points, span, width, [["bad column", "refused"]]),
    name: t("chart.refusals"),
    summary: t("chart.refusals_summary", { count }),
    columns: [[t("chart.refused"), (point) => formatNumber(point.refused)]],
  });
}

/** Columns of events per minute, one series upon the other. @param {[string, string][]} series class and member */
function columns(points, span, width, series) {
  const rate = (point, member) => (point[member] * 60) / point.covered;
  const total = (point) => series.reduce((sum, [, member]) => sum + rate(point, member), 0);
  const top = niceMaximum(Math.max(0, ...points.map(total)));
  const x = xScale(span);
  const shapes = points.flatMap((point) => {
    const left = x(point.t);
    const wide = Math.max(0.5, x(point.t + width) - left - 0.5).toFixed(1);
    let at = HEIGHT;
    return series.map(([kind, member]) => {
      const high = (rate(point, member) / top) * HEIGHT;
      at -= high;
      return high ? el("rect", { class: kind, x: left.toFixed(1), width: wide, y: at.toFixed(1), height: high.toFixed(1) }) : null;
    });
  });
  return { ticks: evenTicks(top), shapes, span, points };
}

/** The 95th percentiles, on a logarithmic axis: a request takes milliseconds, a picture seconds. */
function durations(points, span, { durations: all, point_seconds: seconds }) {
  const values = points.flatMap((point) => NAMES.map((name) => point[`${name}_p95`]).filter((value) => value !== null));
  const low = Math.floor(Math.log10(Math.min(0.01, ...values)));
  const high = Math.max(low + 2, Math.ceil(Math.log10(Math.max(1, ...values))));
  const height = (value) => (HEIGHT * (Math.log10(value) - low)) / (high - low);
  const width = seconds * 1000;
  const x = xScale(span);
  const lines = NAMES.flatMap((name) => {
    const known = points.filter((point) => point[`${name}_p95`] !== null);
    return splitAtGaps(known, width).map((run) => {
      const steps = run.map((point) => {
        const y = (HEIGHT - height(point[`${name}_p95`])).toFixed(1);
        return `${x(point.t).toFixed(1)},${y} ${x(point.t + width).toFixed(1)},${y}`;
      });
      return el("path", { class: `line ${name}`, d: `M${steps.join(" ")}` });
    });
  });
  const said = (name) => (all[name].p95 === null ? "-" : formatDuration(all[name].p95));
  const ticks = Array.from({ length: high - low + 1 }, (_, step) => [(HEIGHT * step) / (high - low), formatDuration(10 ** (low + step))]);
  return chart({
    name: t("chart.durations"),
    summary: values.length ? t("chart.durations_summary", { request: said("request"), wait: said("wait"), run: said("run") }) : t("chart.no_data"),
    ticks,
    shapes: lines,
    legend: NAMES.map((name) => [`line ${name}`, t(DURATIONS[name])]),
    span,
    points,
    columns: NAMES.map((name) => [t(DURATIONS[name]), (point) => (point[`${name}_p95`] === null ? "-" : formatDuration(point[`${name}_p95`]))]),
  });
}

const evenTicks = (top) => [0, 0.5, 1].map((share) => [HEIGHT * share, formatNumber(top * share)]);

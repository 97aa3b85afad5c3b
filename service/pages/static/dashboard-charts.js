// Two small charts: SVG for the eye, a sentence for the ear, and a table for whoever wants figures.

import { count, el, show, when } from "/static/dashboard-dom.js";

const WIDTH = 600;
const HEIGHT = 120;
const ROWS = 12; // of the table: more are not read

export function showCharts(place, history, now) {
  const end = now;
  const begin = end - history.minutes * 60000;
  const width = history.point_seconds * 1000;
  const points = history.points.map((point) => ({ ...point, t: Date.parse(point.at) })).filter((point) => point.t + width > begin);
  show(place, queue(points, begin, end, width), throughput(points, begin, end, width));
}

function queue(points, begin, end, width) {
  const top = scale(Math.max(...points.map((point) => point.waiting), 0));
  const x = place(begin, end);
  const y = (value) => HEIGHT - (value / top) * HEIGHT;
  const areas = runs(points, width).map((run) => {
    const line = run.map((point) => `${x(point.t).toFixed(1)},${y(point.waiting).toFixed(1)} ${x(point.t + width).toFixed(1)},${y(point.waiting).toFixed(1)}`);
    return el("path", { class: "area", d: `M${x(run[0].t).toFixed(1)},${HEIGHT} L${line.join(" ")} L${x(run.at(-1).t + width).toFixed(1)},${HEIGHT} Z` });
  });
  const highest = points.reduce((most, point) => (point.waiting > (most?.waiting ?? -1) ? point : most), null);
  const said = highest
    ? `now ${count(points.at(-1).waiting)}, at most ${count(highest.waiting)}`
    : "nothing was noted yet";
  return chart("Waiting tasks", said, top, areas, begin, end, points, [
    ["Waiting", (point) => count(point.waiting)],
    ["Running", (point) => count(point.running)],
    ["Workers", (point) => count(point.workers)],
  ]);
}

function throughput(points, begin, end, width) {
  const rate = (point, name) => (point.seconds ? (point[name] * 60) / point.seconds : 0);
  const top = scale(Math.max(...points.map((point) => rate(point, "succeeded") + rate(point, "failed")), 0));
  const x = place(begin, end);
  const tall = (value) => (value / top) * HEIGHT;
  const bars = points.flatMap((point) => {
    const wide = Math.max(0.5, x(point.t + width) - x(point.t) - 0.5);
    const good = tall(rate(point, "succeeded"));
    const bad = tall(rate(point, "failed"));
    const at = { x: x(point.t).toFixed(1), width: wide.toFixed(1) };
    return [
      good ? el("rect", { ...at, class: "good", y: (HEIGHT - good).toFixed(1), height: good.toFixed(1) }) : null,
      bad ? el("rect", { ...at, class: "bad", y: (HEIGHT - good - bad).toFixed(1), height: bad.toFixed(1) }) : null,
    ];
  });
  const sum = (name) => points.reduce((total, point) => total + point[name], 0);
  const said = points.length ? `${count(sum("succeeded"))} done, ${count(sum("failed"))} failed, ${count(sum("asked"))} came in` : "nothing was noted yet";
  return chart("Ended tasks a minute", said, top, bars, begin, end, points, [
    ["Came in", (point) => count(point.asked)],
    ["Begun", (point) => count(point.started)],
    ["Done", (point) => count(point.succeeded)],
    ["Failed", (point) => count(point.failed)],
  ]);
}

function chart(name, said, top, drawn, begin, end, points, columns) {
  const middle = { x1: 0, x2: WIDTH, y1: HEIGHT / 2, y2: HEIGHT / 2, class: "grid" };
  return el(
    "figure",
    { class: "chart", "data-key": name },
    el("figcaption", {}, el("strong", {}, name), el("span", { class: "quiet small" }, ` ${said}`)),
    el(
      "div",
      { class: "plot" },
      el("span", { class: "most small quiet", "aria-hidden": "true" }, count(top)),
      el("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": `${name}: ${said}` }, el("line", middle), drawn.filter(Boolean)),
    ),
    el("div", { class: "ends small quiet", "aria-hidden": "true" }, when(new Date(begin).toISOString(), { seconds: false }), "now"),
    table(name, points, columns),
  );
}

function table(name, points, columns) {
  const shown = points.slice(-ROWS).reverse();
  return el(
    "details",
    {},
    el("summary", { class: "small" }, "As a table", el("span", { class: "unseen" }, `: ${name}`)),
    el(
      "table",
      {},
      el("caption", { class: "unseen" }, `${name}: the newest ${shown.length} points`),
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "From"), columns.map(([title]) => el("th", { scope: "col" }, title)))),
      el("tbody", {}, shown.map((point) => el("tr", { "data-key": point.at }, el("td", {}, when(point.at)), columns.map(([, read]) => el("td", {}, read(point)))))),
    ),
  );
}

/** Split where nobody noted: a line through a gap would be made up. */
function runs(points, width) {
  const found = [];
  for (const point of points) {
    const last = found.at(-1);
    if (last && point.t - last.at(-1).t <= 2.5 * width) last.push(point);
    else found.push([point]);
  }
  return found;
}

const place = (begin, end) => (t) => Math.min(WIDTH, Math.max(0, ((t - begin) / (end - begin)) * WIDTH));

/** The next round number, 4 or more, that is not below `value`. */
function scale(value) {
  let step = 1;
  for (;;) {
    for (const each of [4, 6, 8, 10, 15, 20, 30]) if (value <= each * step) return each * step;
    step *= 10;
  }
}

// The alerts and the current figures.

import { formatNumber, el, render } from "/static/dashboard-dom.js";
import { formatDuration } from "/static/format.js";

const LEVELS = { critical: "Critical", warning: "Warning" };

export function showAlerts(container, alerts) {
  if (!alerts.length) {
    render(container, el("p", { class: "all-well", "data-key": "all-well" }, el("span", { class: "chip good" }, "OK"), " Everything works."));
    return;
  }
  render(
    container,
    alerts.map((alert) =>
      el(
        "p",
        { class: `problem ${alert.level}`, "data-key": alert.code },
        el("strong", {}, `${LEVELS[alert.level]}: `),
        alert.text[0].toUpperCase() + alert.text.slice(1),
        ". ",
        alert.status && el("a", { href: `?status=${alert.status}#tasks-title`, "data-action": "filter", "data-status": alert.status }, "Show these tasks"),
      ),
    ),
  );
}

export function showFigures(container, queue) {
  const recent = queue.lately;
  const span = formatDuration(recent.seconds);
  const codes = Object.entries(recent.codes).map(([code, times]) => `${code} ${times}`);
  const idle = queue.workers.alive - queue.workers.running;
  render(
    container,
    figure("Waiting", formatNumber(queue.waiting), queue.waiting ? `oldest: ${formatDuration(queue.oldest_seconds)}` : "queue is empty", "CREATED"),
    figure("Running", formatNumber(queue.running), "on workers now", "STARTED"),
    figure("Workers", formatNumber(queue.workers.alive), idle ? `${formatNumber(idle)} drained` : "alive", null, !queue.workers.alive),
    figure("Done", formatNumber(recent.succeeded), `in the last ${span}`, "SUCCESS"),
    figure("Failed", formatNumber(recent.failed), codes.length ? codes.join(", ") : `in the last ${span}`, "FAILURE", recent.failed > 0),
  );
}

function figure(name, value, note, status, bad = false) {
  const number = status
    ? el("a", { href: `?status=${status}#tasks-title`, "data-action": "filter", "data-status": status }, value)
    : value;
  return el(
    "div",
    { class: bad ? "panel bad" : "panel", "data-key": name },
    el("dt", {}, name),
    el("dd", { class: "number" }, number),
    el("dd", { class: "quiet small" }, note),
  );
}

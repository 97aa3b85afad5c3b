// One card per worker: its state, tasks and resources, and a button to drain or resume it.

import { chip, formatNumber, el, render, timeElement } from "/static/dashboard-dom.js";
import { formatDuration, formatSize } from "/static/format.js";

export function showWorkers(container, workers) {
  if (!workers.length) {
    render(container, el("p", { "data-key": "none" }, "No workers. Start one with ", el("code", {}, "python -m workers"), ", or read its log."));
    return;
  }
  const rank = (worker) => (worker.state === "silent" ? 0 : 1);
  const sorted = [...workers].sort((one, other) => rank(one) - rank(other));
  render(container, sorted.map(card));
}

function card(worker) {
  const silent = worker.state === "silent";
  const busy = worker.children.filter((child) => child.state === "busy").length;
  const load = worker.load === null ? "-" : `${worker.load.toFixed(2)} of ${worker.cores} cores`;
  const facts = [
    ["Heartbeat", silent ? `silent for ${formatDuration(worker.silent_seconds)}` : worker.silent_seconds < 1 ? "just now" : `${formatDuration(Math.round(worker.silent_seconds))} ago`],
    ["Since", worker.started_at ? timeElement(worker.started_at, { seconds: false }) : "-"],
    ["Done", formatNumber(worker.done)],
    ["Failed", formatNumber(worker.failed)],
    ["Load", load],
    ["Memory", `${formatSize(worker.memory.worker)} + ${formatSize(worker.memory.children)} in children`],
    ["Children", silent ? "-" : `${worker.children.length} of ${worker.places ?? "?"}, ${busy} busy`],
    ["Engine", worker.engine || "-"],
  ];
  return el(
    "article",
    { class: `worker ${worker.state}`, "data-key": worker.name, "aria-label": `Worker ${worker.name}` },
    el("div", { class: "row heading" }, el("h3", { class: "mono" }, worker.name), chip(worker.state)),
    el("dl", { class: "facts" }, facts.map(([name, value]) => el("div", { "data-key": name }, el("dt", {}, name), el("dd", {}, value)))),
    runningTasks(worker),
    silent ? null : drainButton(worker),
  );
}

function runningTasks(worker) {
  if (worker.state === "silent") return el("p", { class: "small quiet", "data-key": "tasks" }, "Its tasks go to other workers when their leases expire.");
  if (!worker.tasks.length) return el("p", { class: "small quiet", "data-key": "tasks" }, "No tasks.");
  const more = worker.in_hand - worker.tasks.length;
  return el(
    "ul",
    { class: "running-tasks", "data-key": "tasks" },
    worker.tasks.map((task) =>
      el(
        "li",
        { "data-key": task.task_id },
        el("a", { class: "mono", href: `?task=${task.task_id}`, "data-action": "open", "data-task": task.task_id }, task.task_id.slice(0, 8)),
        el("progress", { max: 100, value: task.progress, "aria-label": `Progress of ${task.task_id.slice(0, 8)}` }),
        el("span", { class: "small" }, `${task.progress} %`),
      ),
    ),
    more > 0 ? el("li", { class: "small quiet" }, `and ${formatNumber(more)} more`) : null,
  );
}

function drainButton(worker) {
  const what = worker.drain ? "resume" : "drain";
  const word = worker.drain ? "Resume" : "Drain";
  return el(
    "button",
    { type: "button", "data-key": "switch", "data-action": what, "data-worker": worker.name, "aria-label": `${word} worker ${worker.name}` },
    word,
  );
}

// One card a worker: what it is, what it does, what it costs, and whether it is to go on.

import { chip, count, el, show, when } from "/static/dashboard-dom.js";
import { duration, size } from "/static/words.js";

export function showWorkers(place, workers) {
  if (!workers.length) {
    show(place, el("p", { "data-key": "none" }, "No worker was heard of lately. Start one: ", el("code", {}, "python -m workers"), ", or look into its log."));
    return;
  }
  const rank = (worker) => (worker.state === "silent" ? 0 : 1);
  const sorted = [...workers].sort((one, other) => rank(one) - rank(other));
  show(place, sorted.map(card));
}

function card(worker) {
  const silent = worker.state === "silent";
  const busy = worker.children.filter((child) => child.state === "busy").length;
  const load = worker.load === null ? "-" : `${worker.load.toFixed(2)} of ${worker.cores} cores`;
  const facts = [
    ["Heartbeat", silent ? `silent for ${duration(worker.silent_seconds)}` : worker.silent_seconds < 1 ? "just now" : `${duration(Math.round(worker.silent_seconds))} ago`],
    ["Since", worker.started_at ? when(worker.started_at, { seconds: false }) : "-"],
    ["Done", count(worker.done)],
    ["Failed", count(worker.failed)],
    ["Load", load],
    ["Memory", `${size(worker.memory.worker)} + ${size(worker.memory.children)} in children`],
    ["Children", silent ? "-" : `${worker.children.length} of ${worker.places ?? "?"}, ${busy} busy`],
    ["Engine", worker.engine || "-"],
  ];
  return el(
    "article",
    { class: `worker ${worker.state}`, "data-key": worker.name, "aria-label": `Worker ${worker.name}` },
    el("div", { class: "row heading" }, el("h3", { class: "mono" }, worker.name), chip(worker.state)),
    el("dl", { class: "facts" }, facts.map(([name, value]) => el("div", { "data-key": name }, el("dt", {}, name), el("dd", {}, value)))),
    inHand(worker),
    silent ? null : switcher(worker),
  );
}

function inHand(worker) {
  if (worker.state === "silent") return el("p", { class: "small quiet", "data-key": "hand" }, "What it had in hand goes to another worker when its lease is over.");
  if (!worker.tasks.length) return el("p", { class: "small quiet", "data-key": "hand" }, "Nothing in hand.");
  const more = worker.in_hand - worker.tasks.length;
  return el(
    "ul",
    { class: "hand", "data-key": "tasks" },
    worker.tasks.map((task) =>
      el(
        "li",
        { "data-key": task.task_id },
        el("a", { class: "mono", href: `?task=${task.task_id}`, "data-action": "open", "data-task": task.task_id }, task.task_id.slice(0, 8)),
        el("progress", { max: 100, value: task.progress, "aria-label": `Progress of ${task.task_id.slice(0, 8)}` }),
        el("span", { class: "small" }, `${task.progress} %`),
      ),
    ),
    more > 0 ? el("li", { class: "small quiet" }, `and ${count(more)} more`) : null,
  );
}

function switcher(worker) {
  const what = worker.drain ? "resume" : "drain";
  const word = worker.drain ? "Resume" : "Drain";
  return el(
    "button",
    { type: "button", "data-key": "switch", "data-action": what, "data-worker": worker.name, "aria-label": `${word} worker ${worker.name}` },
    word,
  );
}

// One card per worker: its state, tasks and resources, and a button to drain or resume it.

import { chip, factList, timeElement } from "./dashboard-parts.js";
import { el, render } from "./dom.js";
import { formatDuration, formatNumber, formatSize } from "./format.js";
import { LANGUAGE, pieces, t } from "./text.js";

const TWO_DECIMALS = { minimumFractionDigits: 2, maximumFractionDigits: 2 };

export function showWorkers(container, workers) {
  if (!workers.length) {
    render(container, el("p", { "data-key": "none" }, pieces("workers.none", { command: el("code", {}, "python -m workers") })));
    return;
  }
  const rank = (worker) => (worker.state === "silent" ? 0 : 1);
  const sorted = [...workers].sort((one, other) => rank(one) - rank(other));
  render(container, sorted.map(card));
}

function card(worker) {
  const silent = worker.state === "silent";
  const busy = worker.children.filter((child) => child.state === "busy").length;
  const load = worker.load?.toLocaleString(LANGUAGE, TWO_DECIMALS);
  const memory = { worker: formatSize(worker.memory.worker), children: formatSize(worker.memory.children) };
  const children = { children: worker.children.length, places: worker.places ?? "?", busy };
  const facts = [
    [t("workers.heartbeat"), heartbeat(worker)],
    [t("workers.since"), worker.started_at ? timeElement(worker.started_at, { seconds: false }) : "-"],
    [t("figure.done"), formatNumber(worker.done)],
    [t("figure.failed"), formatNumber(worker.failed)],
    [t("workers.load"), load ? t("workers.load_of_cores", { load, count: worker.cores }) : "-"],
    [t("workers.memory"), t("workers.memory_parts", memory)],
    [t("workers.children"), silent ? "-" : t("workers.busy", children)],
    [t("workers.engine"), worker.engine || "-"],
  ];
  return el(
    "article",
    { class: `worker ${worker.state}`, "data-key": worker.name, "aria-label": t("workers.name", { name: worker.name }) },
    el("div", { class: "row heading" }, el("h3", { class: "mono" }, worker.name), chip("worker", worker.state)),
    factList(facts),
    runningTasks(worker),
    silent ? null : drainButton(worker),
  );
}

function heartbeat({ state, silent_seconds: seconds }) {
  if (state === "silent") return t("workers.heartbeat_silent", { time: formatDuration(seconds) });
  if (seconds < 1) return t("workers.heartbeat_now");
  return t("workers.heartbeat_ago", { time: formatDuration(Math.round(seconds)) });
}

function runningTasks(worker) {
  const silent = worker.state === "silent";
  if (silent || !worker.tasks.length)
    return el("p", { class: "small quiet", "data-key": "tasks" }, t(silent ? "workers.tasks_move" : "workers.no_tasks"));
  const more = worker.in_hand - worker.tasks.length;
  return el(
    "ul",
    { class: "running-tasks", "data-key": "tasks" },
    worker.tasks.map((task) =>
      el(
        "li",
        { "data-key": task.task_id },
        el("a", { class: "mono", href: `?task=${task.task_id}`, "data-action": "open", "data-task": task.task_id }, task.task_id.slice(0, 8)),
        el("progress", { max: 100, value: task.progress, "aria-label": t("progress.of", { name: task.task_id.slice(0, 8) }) }),
        el("span", { class: "small" }, t("unit.percent", { value: task.progress })),
      ),
    ),
    more > 0 ? el("li", { class: "small quiet" }, t("text.more", { count: more })) : null,
  );
}

function drainButton(worker) {
  const what = worker.drain ? "resume" : "drain";
  const { name } = worker;
  return el(
    "button",
    { type: "button", "data-key": "switch", "data-action": what, "data-worker": name, "aria-label": worker.drain ? t("workers.resume_named", { name }) : t("workers.drain_named", { name }) },
    t(worker.drain ? "workers.resume" : "workers.drain"),
  );
}

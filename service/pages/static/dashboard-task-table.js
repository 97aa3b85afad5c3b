// The table of tasks: one page, filtered by the query of the URL.

import { chip, timeElement } from "./dashboard-parts.js";
import { el, render } from "./dom.js";
import { formatDuration, secondsBetween } from "./format.js";
import { t } from "./text.js";

export const FILTERS = ["search", "status", "operation", "worker"];
const COLUMNS = ["tasks.state", "tasks.picture", "tasks.operations", "tasks.worker", "tasks.requested", "tasks.took", "tasks.action"];

export function showTasks(container, page, view, now) {
  if (!page.tasks.length) {
    const filtered = FILTERS.some((name) => view[name]) || view.after;
    render(container, el("p", { "data-key": "none" }, t(filtered ? "tasks.no_match" : "tasks.none")));
    return;
  }
  render(
    container,
    el(
      "table",
      { class: "tasks", role: "table", "aria-label": t("tasks.label") },
      el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, COLUMNS.map((column) => el("th", { role: "columnheader", scope: "col" }, t(column))))),
      el("tbody", { role: "rowgroup" }, page.tasks.map((task) => row(task, now))),
    ),
  );
}

function row(task, now) {
  const tries = task.attempts > 1 ? el("span", { class: "small quiet" }, ` ${t("tasks.attempt", { number: task.attempts })}`) : null;
  const running = task.status === "STARTED";
  const bar = running ? el("progress", { max: 100, value: task.progress, "aria-label": t("progress.of", { name: task.name }) }) : null;
  const names = task.names > 1 ? el("span", { class: "small quiet" }, ` ${t("text.more", { count: task.names - 1 })}`) : null;
  const link = el("a", { class: "name", href: `?task=${task.task_id}`, "data-action": "open", "data-task": task.task_id }, task.name);
  const error = task.error && task.status === "FAILURE" ? el("div", { class: "small code" }, task.error) : null;
  const cells = [
    [chip("task", task.status), tries, bar, error],
    [link, names, el("div", { class: "small quiet mono" }, task.task_id.slice(0, 8))],
    task.operations.join(", ") || "-",
    task.worker ? el("span", { class: "mono small" }, task.worker) : el("span", { class: "none" }, "-"),
    timeElement(task.asked_at),
    took(task, now),
    button(task),
  ];
  return el(
    "tr",
    { role: "row", "data-key": task.task_id, class: task.status.toLowerCase() },
    cells.map((content) => el("td", { role: "cell" }, el("div", {}, content))),
  );
}

/** How long the task has waited or run, or took. */
export function took(task, now) {
  const nowIso = new Date(now).toISOString();
  if (task.status === "CREATED") return t("tasks.waiting", { time: formatDuration(secondsBetween(task.asked_at, nowIso)) });
  if (task.status === "STARTED") return t("tasks.running", { time: formatDuration(secondsBetween(task.started_at ?? nowIso, nowIso)) });
  if (!task.started_at || !task.finished_at) return "-";
  return formatDuration(secondsBetween(task.started_at, task.finished_at));
}

function button(task) {
  if (task.status === "SUCCESS") return null;
  const open = task.status === "CREATED" || task.status === "STARTED";
  const { name } = task;
  return el(
    "button",
    { type: "button", "data-action": open ? "cancel" : "retry", "data-task": task.task_id, "data-name": name, "aria-label": open ? t("tasks.cancel_named", { name }) : t("tasks.retry_named", { name }) },
    t(open ? "action.cancel" : "action.retry"),
  );
}

export function showPager(container, page, view) {
  const label = view.after ? t("tasks.page_older") : t("tasks.page_newest", { count: page.tasks.length });
  render(
    container,
    el("span", { class: "small quiet", "data-key": "label" }, page.tasks.length ? label : ""),
    view.after ? el("button", { type: "button", "data-action": "newest", "data-key": "newest" }, t("tasks.newest")) : null,
    page.next ? el("button", { type: "button", "data-action": "older", "data-after": page.next, "data-key": "older" }, t("tasks.older")) : null,
  );
}

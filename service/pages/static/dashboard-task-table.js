// The table of tasks: one page, filtered by the query of the URL.

import { secondsBetween, chip, formatNumber, el, render, timeElement } from "/static/dashboard-dom.js";
import { formatDuration } from "/static/format.js";

export const FILTERS = ["search", "status", "operation", "worker"];

export function showTasks(container, page, view, now) {
  if (!page.tasks.length) {
    const filtered = FILTERS.some((name) => view[name]) || view.after;
    render(container, el("p", { "data-key": "none" }, filtered ? "No task matches these filters." : "No tasks yet. Uploaded pictures appear nowIso."));
    return;
  }
  const head = ["State", "Picture", "Operations", "Worker", "Requested", "Took", "Action"];
  render(
    container,
    el(
      "table",
      { class: "tasks", role: "table", "aria-label": "Tasks, newest first" },
      el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, head.map((name) => el("th", { role: "columnheader", scope: "col" }, name)))),
      el("tbody", { role: "rowgroup" }, page.tasks.map((task) => row(task, now))),
    ),
  );
}

function row(task, now) {
  const tries = task.attempts > 1 ? el("span", { class: "small quiet" }, ` attempt ${task.attempts}`) : null;
  const running = task.status === "STARTED";
  const bar = running ? el("progress", { max: 100, value: task.progress, "aria-label": `Progress of ${task.name}` }) : null;
  const names = task.names > 1 ? el("span", { class: "small quiet" }, ` and ${task.names - 1} more`) : null;
  return el(
    "tr",
    { role: "row", "data-key": task.task_id, class: task.status.toLowerCase() },
    cell("State", chip(task.status), tries, bar, task.error && task.status === "FAILURE" ? el("div", { class: "small code" }, task.error) : null),
    cell(
      "Picture",
      el("a", { class: "name", href: `?task=${task.task_id}`, "data-action": "open", "data-task": task.task_id }, task.name),
      names,
      el("div", { class: "small quiet mono" }, task.task_id.slice(0, 8)),
    ),
    cell("Operations", task.operations.join(", ") || "-"),
    cell("Worker", task.worker ? el("span", { class: "mono small" }, task.worker) : el("span", { class: "none" }, "-")),
    cell("Requested", timeElement(task.asked_at)),
    cell("Took", took(task, now)),
    cell("Action", button(task)),
  );
}

function cell(name, ...children) {
  return el("td", { role: "cell", "data-label": name }, el("div", {}, children));
}

/** How long the task has waited or run, or took. */
export function took(task, now) {
  const nowIso = new Date(now).toISOString();
  if (task.status === "CREATED") return `waiting for ${formatDuration(secondsBetween(task.asked_at, nowIso))}`;
  if (task.status === "STARTED") return `running for ${formatDuration(secondsBetween(task.started_at ?? nowIso, nowIso))}`;
  if (!task.started_at || !task.finished_at) return "-";
  return formatDuration(secondsBetween(task.started_at, task.finished_at));
}

function button(task) {
  const open = task.status === "CREATED" || task.status === "STARTED";
  if (task.status === "SUCCESS") return null;
  const [what, word] = open ? ["cancel", "Cancel"] : ["retry", "Retry"];
  return el(
    "button",
    { type: "button", "data-action": what, "data-task": task.task_id, "data-name": task.name, "aria-label": `${word} ${task.name}` },
    word,
  );
}

export function showPager(container, page, view) {
  const label = view.after ? "Older tasks." : `The newest ${formatNumber(page.tasks.length)}.`;
  render(
    container,
    el("span", { class: "small quiet", "data-key": "label" }, page.tasks.length ? label : ""),
    view.after ? el("button", { type: "button", "data-action": "newest", "data-key": "newest" }, "Newest") : null,
    page.next ? el("button", { type: "button", "data-action": "older", "data-after": page.next, "data-key": "older" }, "Older") : null,
  );
}

// The dialog of one task: error, actions, facts, stages, timeline, webhooks and results.

import { chip, formatNumber, el, render, timeElement } from "/static/dashboard-dom.js";
import { webhooks } from "/static/dashboard-webhooks.js";
import { formatDuration, formatSize } from "/static/format.js";
import { took } from "/static/dashboard-task-table.js";

const MAX_PREVIEW_BYTES = 3e6; // larger results are links only
const EVENT_LABELS = {
  claimed: "started",
  released: "returned to the queue",
  lease_expired: "worker lost",
  failed: "failed",
  finished: "done",
  cancelled: "cancelled",
  asked_again: "retried",
};
const CAUSE_LABELS = {
  crashed: "the process running it crashed",
  stopping: "the worker was shutting down",
  machine_trouble: "the worker's machine had a problem",
  worker_died: "the worker died",
  result_damaged: "its stored result was damaged",
};

export function showTask(dialog, task, now) {
  render(
    dialog,
    el(
      "div",
      { class: "row heading", "data-key": "head" },
      el("h2", { id: "detail-title" }, task.name),
      chip(task.status),
      el("button", { type: "button", class: "plain close", "data-action": "close", "aria-label": "Close" }, "✕"),
    ),
    el("p", { class: "mono small quiet", "data-key": "id" }, task.task_id),
    task.status === "STARTED" ? el("progress", { max: 100, value: task.progress, "aria-label": "Progress", "data-key": "bar" }) : null,
    errorBox(task),
    actionButtons(task),
    facts(task, now),
    stages(task),
    timeline(task),
    webhooks(task),
    results(task),
  );
}

function errorBox(task) {
  if (!task.error) return null;
  const rest = Object.entries(task.error).filter(([name]) => name !== "code" && name !== "detail");
  return el(
    "div",
    { class: "problem", "data-key": "error" },
    el("p", { class: "code" }, task.error.code),
    el("p", {}, task.error.detail),
    rest.length ? el("p", { class: "small mono" }, rest.map(([name, value]) => `${name}: ${JSON.stringify(value)}`).join(", ")) : null,
  );
}

function actionButtons(task) {
  const labels = { retry: "Retry", cancel: "Cancel the task" };
  return el(
    "div",
    { class: "row", "data-key": "actions" },
    task.actions.map((what) =>
      el("button", { type: "button", "data-key": what, "data-action": what, "data-task": task.task_id, "data-name": task.name }, labels[what]),
    ),
    el("a", { class: "button", "data-key": "public", href: `/tasks/${task.task_id}` }, "Public task document"),
  );
}

function facts(task, now) {
  const operations = task.operations.map(({ op, ...rest }) => {
    const given = Object.entries(rest).filter(([, value]) => value !== null);
    return `${op}${given.length ? ` (${given.map(([name, value]) => `${name} ${value}`).join(", ")})` : ""}`;
  });
  const pairs = [
    ["Operations", operations.join(", then ") || "-"],
    ["Names", task.names.join(", ")],
    ["Attempts", formatNumber(task.attempts)],
    ["Worker", task.worker ?? "-"],
    ["Client", task.client || "-"],
    ["Requested", timeElement(task.asked_at)],
    ["Took", took(task, now)],
  ];
  return el("dl", { class: "facts", "data-key": "facts" }, pairs.map(([name, value]) => el("div", { "data-key": name }, el("dt", {}, name), el("dd", {}, value))));
}

function stages(task) {
  const pairs = Object.entries(task.stages_ms ?? {});
  const total = pairs.reduce((sum, [, ms]) => sum + ms, 0);
  if (!total) return null;
  let at = 0;
  const parts = pairs.map(([name, ms], number) => {
    const part = el("rect", { class: `s${number % 6}`, x: ((at / total) * 600).toFixed(1), y: 0, height: 24, width: Math.max(0.5, (ms / total) * 600).toFixed(1) });
    at += ms;
    return part;
  });
  return el(
    "section",
    { "data-key": "stages", "aria-label": "Stages" },
    el("h3", {}, `Where the time went: ${formatDuration(total / 1000)}`),
    el("svg", { class: "bar", viewBox: "0 0 600 24", preserveAspectRatio: "none", "aria-hidden": "true" }, parts),
    el(
      "ul",
      { class: "legend small" },
      pairs.map(([name, ms], number) => el("li", { "data-key": name }, el("span", { class: `dot s${number % 6}`, "aria-hidden": "true" }), `${name} ${formatDuration(ms / 1000)}`)),
    ),
  );
}

function timeline(task) {
  const first = { at: task.created_at, what: "created", worker: null, cause: null };
  const labels = { ...EVENT_LABELS, created: "created" };
  return el(
    "section",
    { "data-key": "timeline", "aria-label": "Timeline" },
    el("h3", {}, "Timeline"),
    el(
      "ol",
      { class: "timeline" },
      [first, ...task.timeline].map((event, number) =>
        el(
          "li",
          { class: event.what, "data-key": `${event.at}${number}` },
          timeElement(event.at),
          el("strong", {}, ` ${labels[event.what] ?? event.what}`),
          event.worker ? el("span", { class: "mono small" }, ` ${event.worker}`) : null,
          event.cause ? el("span", { class: "quiet" }, ` ${CAUSE_LABELS[event.cause] ?? event.cause}`) : null,
        ),
      ),
    ),
  );
}

function results(task) {
  const stored = task.results.filter((result) => result.url);
  if (!stored.length) return null;
  return el(
    "section",
    { "data-key": "results", "aria-label": "Results" },
    el("h3", {}, "Results"),
    el(
      "ul",
      { class: "results" },
      stored.map((result) =>
        el(
          "li",
          { "data-key": result.name },
          result.bytes <= MAX_PREVIEW_BYTES ? el("img", { src: result.url, alt: "", loading: "lazy", width: 160 }) : null,
          el("a", { href: result.url }, result.name),
          el("span", { class: "small quiet" }, ` ${result.width} x ${result.height}, ${formatSize(result.bytes)}`),
        ),
      ),
    ),
  );
}

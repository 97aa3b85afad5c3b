// The dialog of one task: error, actions, facts, stages, pictures, timeline and webhooks.

import { chip, factList, timeElement } from "./dashboard-parts.js";
import { took } from "./dashboard-task-table.js";
import { fillPictures, pictures } from "./dashboard-pictures.js";
import { webhooks } from "./dashboard-webhooks.js";
import { el, render } from "./dom.js";
import { formatDuration, formatNumber } from "./format.js";
import { t, tProblem, tWord } from "./text.js";

export function showTask(dialog, task, now) {
  render(
    dialog,
    el(
      "div",
      { class: "row heading", "data-key": "head" },
      el("h2", { id: "detail-title" }, task.name),
      chip("task", task.status),
      el("button", { type: "button", class: "plain close", "data-action": "close", "aria-label": t("action.close") }, "✕"),
    ),
    el("p", { class: "mono small quiet", "data-key": "id" }, task.task_id),
    task.status === "STARTED" ? el("progress", { max: 100, value: task.progress, "aria-label": t("tasks.progress"), "data-key": "bar" }) : null,
    errorBox(task),
    actionButtons(task),
    facts(task, now),
    stages(task),
    pictures(task),
    timeline(task),
    webhooks(task),
  );
  fillPictures(dialog, task);
}

function errorBox(task) {
  if (!task.error) return null;
  const { code, detail, ...rest } = task.error;
  const members = Object.entries(rest).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  const said = tProblem(task.error);
  return el(
    "div",
    { class: "problem", "data-key": "error" },
    el("p", { class: "code" }, code),
    el("p", said),
    said.text !== detail && el("p", { lang: "en" }, detail),
    members.length > 0 && el("p", { class: "small mono" }, members.join(", ")),
  );
}

function actionButtons(task) {
  return el(
    "div",
    { class: "row", "data-key": "actions" },
    task.actions.map((what) =>
      el("button", { type: "button", "data-key": what, "data-action": what, "data-task": task.task_id, "data-name": task.name }, t(what === "retry" ? "action.retry" : "tasks.cancel")),
    ),
    el("a", { class: "button", "data-key": "public", href: `/tasks/${task.task_id}` }, t("tasks.document")),
  );
}

function facts(task, now) {
  const operations = task.operations.map(({ op, ...rest }) => {
    const given = Object.entries(rest).filter(([, value]) => value !== null);
    return `${op}${given.length ? ` (${given.map(([name, value]) => `${name} ${value}`).join(", ")})` : ""}`;
  });
  const pairs = [
    [t("tasks.operations"), operations.join(t("tasks.then")) || "-"],
    [t("tasks.names"), task.names.join(", ")],
    [t("tasks.attempts"), formatNumber(task.attempts)],
    [t("tasks.worker"), task.worker ?? "-"],
    [t("tasks.client"), task.client || "-"],
    [t("tasks.requested"), timeElement(task.asked_at)],
    [t("tasks.took"), took(task, now)],
  ];
  return factList(pairs);
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
    { "data-key": "stages", "aria-label": t("tasks.stages") },
    el("h3", {}, t("tasks.stages_title", { time: formatDuration(total / 1000) })),
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
  return el(
    "section",
    { "data-key": "timeline", "aria-label": t("tasks.timeline") },
    el("h3", {}, t("tasks.timeline")),
    el(
      "ol",
      { class: "timeline" },
      [first, ...task.timeline].map((event, number) =>
        el(
          "li",
          { class: event.what, "data-key": `${event.at}${number}` },
          timeElement(event.at),
          el("strong", {}, ` ${tWord("event", event.what)}`),
          event.worker ? el("span", { class: "mono small" }, ` ${event.worker}`) : null,
          event.cause ? el("span", { class: "quiet" }, ` ${tWord("cause", event.cause)}`) : null,
        ),
      ),
    ),
  );
}

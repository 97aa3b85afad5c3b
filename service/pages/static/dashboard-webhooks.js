// The webhooks of a task: delivery attempts, and a button to redeliver.

import { chip, el, timeElement } from "/static/dashboard-dom.js";

const OUTCOMES = {
  delivered: "delivered",
  http_error: "error response",
  redirect: "redirect (not followed)",
  gone: "receiver gone (410)",
  timeout: "timed out",
  dns: "host name not found",
  refused_address: "private address blocked",
  tls: "invalid TLS certificate",
  connection: "connection failed",
  bad_callback: "URL no longer allowed by the settings",
};

/** The webhooks section; null if there are none. */
export function webhooks(task) {
  if (!task.webhooks.length) return null;
  return el(
    "section",
    { "data-key": "webhooks", "aria-label": "Webhooks" },
    el("h3", {}, "Webhooks"),
    task.webhooks.map((hook) => webhook(hook, task)),
  );
}

function webhook(hook, task) {
  const where = hook.about === "group" ? `for group ${hook.subject}` : "";
  return el(
    "div",
    { class: "webhook", "data-key": hook.id },
    el("p", { class: "row", "data-key": "url" }, chip(`webhook ${hook.status}`), el("span", { class: "mono small" }, hook.url)),
    el("p", { class: "small quiet", "data-key": "what" }, [hook.type, where, hook.id].filter(Boolean).join(" ")),
    hook.error ? el("p", { class: "small", "data-key": "error" }, hook.error) : null,
    hook.calls.length
      ? el("ol", { class: "timeline", "data-key": "calls" }, hook.calls.map((call, number) => attempt(call, number)))
      : null,
    hook.due_at ? el("p", { class: "small quiet", "data-key": "due" }, "next attempt ", timeElement(hook.due_at)) : null,
    hook.actions.map((what) =>
      el(
        "button",
        { type: "button", "data-key": what, "data-action": what, "data-webhook": hook.id, "data-task": task.task_id },
        "Redeliver",
      ),
    ),
  );
}

function attempt(call, number) {
  return el(
    "li",
    { class: call.outcome === "delivered" ? "finished" : "failed", "data-key": `${call.at}${number}` },
    timeElement(call.at),
    el("strong", {}, ` ${OUTCOMES[call.outcome] ?? call.outcome}`),
    el("span", { class: "quiet" }, ` ${call.status ?? ""} ${Math.round(call.ms)} ms`),
    el("span", { class: "mono small" }, ` ${call.worker}`),
  );
}

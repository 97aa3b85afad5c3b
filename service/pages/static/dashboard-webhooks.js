// Who is told that a task has ended, every call that took, and once more at the press of a button.

import { chip, el, when } from "/static/dashboard-dom.js";

const OUTCOMES = {
  delivered: "delivered",
  http_error: "not taken",
  redirect: "led elsewhere, which is not followed",
  gone: "the receiver wants no more of it",
  timeout: "no answer in time",
  dns: "its name has no address",
  refused_address: "its name leads to a private network",
  tls: "its certificate is not good",
  connection: "no connection",
  bad_callback: "not called any more, as settings stand",
};

/** The section about webhooks, nothing where there are none. */
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
  const where = hook.about === "group" ? `of the group ${hook.subject}` : "";
  return el(
    "div",
    { class: "webhook", "data-key": hook.id },
    el("p", { class: "row", "data-key": "url" }, chip(`webhook ${hook.status}`), el("span", { class: "mono small" }, hook.url)),
    el("p", { class: "small quiet", "data-key": "what" }, [hook.type, where, hook.id].filter(Boolean).join(" ")),
    hook.error ? el("p", { class: "small", "data-key": "error" }, hook.error) : null,
    hook.calls.length
      ? el("ol", { class: "timeline", "data-key": "calls" }, hook.calls.map((call, number) => attempt(call, number)))
      : null,
    hook.due_at ? el("p", { class: "small quiet", "data-key": "due" }, "tried next ", when(hook.due_at)) : null,
    hook.actions.map((what) =>
      el(
        "button",
        { type: "button", "data-key": what, "data-action": what, "data-webhook": hook.id, "data-task": task.task_id },
        "Send once more",
      ),
    ),
  );
}

function attempt(call, number) {
  return el(
    "li",
    { class: call.outcome === "delivered" ? "finished" : "failed", "data-key": `${call.at}${number}` },
    when(call.at),
    el("strong", {}, ` ${OUTCOMES[call.outcome] ?? call.outcome}`),
    el("span", { class: "quiet" }, ` ${call.status ?? ""} ${Math.round(call.ms)} ms`),
    el("span", { class: "mono small" }, ` ${call.worker}`),
  );
}

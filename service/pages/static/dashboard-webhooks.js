// The webhooks of a task: delivery attempts, and a button to redeliver.

import { chip, timeElement } from "./dashboard-parts.js";
import { el } from "./dom.js";
import { pieces, t, tApi, tWord } from "./text.js";

/** The webhooks section; null if there are none. */
export function webhooks(task) {
  if (!task.webhooks.length) return null;
  return el(
    "section",
    { "data-key": "webhooks", "aria-label": t("webhooks.title") },
    el("h3", {}, t("webhooks.title")),
    task.webhooks.map((hook) => webhook(hook, task)),
  );
}

function webhook(hook, task) {
  const where = hook.about === "group" ? t("webhooks.group", { id: hook.subject }) : "";
  return el(
    "div",
    { class: "webhook", "data-key": hook.id },
    el("p", { class: "row", "data-key": "url" }, chip("webhook", hook.status), el("span", { class: "mono small" }, hook.url)),
    el("p", { class: "small quiet", "data-key": "what" }, [hook.type, where, hook.id].filter(Boolean).join(" ")),
    hook.error ? el("p", { class: "small", "data-key": "error", ...tApi(hook.error) }) : null,
    hook.calls.length
      ? el("ol", { class: "timeline", "data-key": "calls" }, hook.calls.map((call, number) => attempt(call, number)))
      : null,
    hook.due_at ? el("p", { class: "small quiet", "data-key": "due" }, pieces("webhooks.due", { time: timeElement(hook.due_at) })) : null,
    hook.actions.map((what) =>
      el(
        "button",
        { type: "button", "data-key": what, "data-action": what, "data-webhook": hook.id, "data-task": task.task_id },
        t("webhooks.redeliver"),
      ),
    ),
  );
}

function attempt(call, number) {
  return el(
    "li",
    { class: call.outcome === "delivered" ? "finished" : "failed", "data-key": `${call.at}${number}` },
    timeElement(call.at),
    el("strong", {}, ` ${tWord("outcome", call.outcome)}`),
    el("span", { class: "quiet" }, ` ${call.status ?? ""} ${t("time.ms", { value: Math.round(call.ms) })}`),
    el("span", { class: "mono small" }, ` ${call.worker}`),
  );
}

// The alerts and the current figures.

import { timeElement } from "./dashboard-parts.js";
import { el, render } from "./dom.js";
import { capitalize, formatDuration, formatNumber } from "./format.js";
import { pieces, t, tApi, tWord } from "./text.js";

/** In the repository; a service does not serve it. */
const RUNBOOK = "docs/dashboard.md";

export function showAlerts(container, alerts, now) {
  if (!alerts.length) {
    render(container, el("p", { class: "all-well", "data-key": "all-well" }, el("span", { class: "chip good" }, t("alert.ok")), ` ${t("alert.all_well")}`));
    return;
  }
  render(
    container,
    alerts.map((alert) =>
      el(
        "p",
        { class: `problem ${alert.level}`, "data-key": alert.code },
        el("strong", {}, t(alert.level === "critical" ? "alert.critical" : "alert.warning")),
        " ",
        said(alert.text),
        ". ",
        alert.since ? el("span", { class: "since" }, pieces("alert.since", { time: timeElement(alert.since) }), ago(alert.since, now)) : null,
        el("span", { class: "advice" }, advice(alert.code), " "),
        alert.status && el("a", { href: `?status=${alert.status}#tasks-title`, "data-action": "filter", "data-status": alert.status }, t("alert.show")),
      ),
    ),
    el("p", { class: "more small quiet", "data-key": "more" }, pieces("alert.more", { page: el("code", {}, RUNBOOK) })),
  );
}

/** @param {string} text of an alert */
function said(text) {
  const { text: translated, lang } = tApi(text);
  return el("span", { lang }, capitalize(translated));
}

/** How long ago; hidden from screen readers, which would announce each second of it. */
const ago = (iso, now) =>
  el("span", { "aria-hidden": "true" }, ` ${t("alert.ago", { time: formatDuration(Math.max(1, Math.round((now - Date.parse(iso)) / 1000))) })} `);

/** What to do, as docs/dashboard.md says at greater length; nothing where the API is newer than this page. */
const advice = (code) => tWord("advice", code).replace(code, "");

export function showFigures(container, queue) {
  const recent = queue.lately;
  const lately = t("figure.lately", { time: formatDuration(recent.seconds) });
  const codes = Object.entries(recent.codes).map(([code, times]) => `${code} ${times}`);
  const idle = queue.workers.alive - queue.workers.running;
  render(
    container,
    figure(t("figure.waiting"), queue.waiting, queue.waiting ? t("figure.oldest", { time: formatDuration(queue.oldest_seconds) }) : t("figure.empty"), "CREATED"),
    figure(t("figure.running"), queue.running, t("figure.now"), "STARTED"),
    figure(t("figure.workers"), queue.workers.alive, idle ? t("figure.drained", { count: idle }) : t("figure.alive"), null, !queue.workers.alive),
    figure(t("figure.done"), recent.succeeded, lately, "SUCCESS"),
    figure(t("figure.failed"), recent.failed, codes.join(", ") || lately, "FAILURE", recent.failed > 0),
  );
}

function figure(name, count, note, status, bad = false) {
  const value = formatNumber(count);
  const number = status
    ? el("a", { href: `?status=${status}#tasks-title`, "data-action": "filter", "data-status": status }, value)
    : value;
  return el(
    "div",
    { class: bad ? "panel bad" : "panel", "data-key": name },
    el("dt", {}, name),
    el("dd", { class: "number" }, number),
    el("dd", { class: "quiet small" }, note),
  );
}

// What happened in the chosen time: refusals and failures by code, percentiles of durations, use by API key.

import { timeElement } from "./dashboard-parts.js";
import { el, render } from "./dom.js";
import { formatDuration, formatNumber, formatSize } from "./format.js";
import { pieces, t } from "./text.js";

const DURATIONS = {
  request: ["duration.request", "duration.request_means"],
  wait: ["duration.wait", "duration.wait_means"],
  run: ["duration.run", "duration.run_means"],
};
const SHARES = { p50: "duration.p50", p95: "duration.p95", p99: "duration.p99" };
/** Entries that are not one key. */
const NO_KEYS = { anonymous: "activity.key_anonymous", other: "activity.key_other" };
const KEY_COLUMNS = ["activity.key", "activity.key_tasks", "activity.key_failed", "activity.key_bytes", "activity.key_seconds"];

export function showActivity(container, activity) {
  render(
    container,
    el("p", { class: "small quiet", "data-key": "since" }, pieces("activity.since", { time: timeElement(activity.since, { seconds: false }) })),
    part("durations", t("activity.durations"), durations(activity.durations)),
    part("codes", t("activity.codes"), activity.codes.length ? codes(activity.codes) : el("p", {}, t("activity.no_codes"))),
    part("keys", t("activity.keys"), activity.keys.length ? keys(activity.keys) : el("p", {}, t("activity.no_keys"))),
  );
}

const part = (name, title, content) =>
  el(
    "section",
    { "data-key": name, "aria-labelledby": `${name}-title` },
    el("h3", { id: `${name}-title` }, title),
    content,
  );

/** @param {string[]} columns their titles; the first is a name, the others are numbers */
const table = (columns, rows) =>
  el(
    "table",
    { class: "numbers", role: "table" }, // also where its rows are laid out as boxes, on a phone
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, columns.map((column) => el("th", { role: "columnheader", scope: "col" }, column)))),
    el("tbody", { role: "rowgroup" }, rows),
  );

const row = (key, name, values) =>
  el("tr", { role: "row", "data-key": key }, el("th", { role: "rowheader", scope: "row" }, name), values.map((value) => el("td", { role: "cell" }, value)));

function durations(all) {
  const rows = Object.entries(DURATIONS).map(([name, [title, meaning]]) =>
    row(name, [t(title), el("div", { class: "small quiet" }, t(meaning))], [
      ...Object.keys(SHARES).map((share) => (all[name][share] === null ? "-" : formatDuration(all[name][share]))),
      formatNumber(all[name].count),
    ]),
  );
  return table([t("activity.what"), ...Object.values(SHARES).map((title) => t(title)), t("activity.count")], rows);
}

function codes(all) {
  const rows = all.map(({ code, meaning, by, requests, tasks }) => {
    const name = [el("code", {}, code), by === "service" ? el("span", { class: "chip bad" }, t("activity.by_service")) : null];
    return row(code, [name, el("div", { class: "small quiet" }, meaning)], [formatNumber(requests), formatNumber(tasks)]);
  });
  return table([t("activity.code"), t("activity.requests"), t("activity.tasks")], rows);
}

function keys(all) {
  const rows = all.map(({ key, name, tasks, failed, bytes, seconds }) => {
    const said = Object.hasOwn(NO_KEYS, key)
      ? t(NO_KEYS[key])
      : [name || t("activity.key_gone"), el("div", { class: "small quiet mono" }, key)];
    return row(key, said, [formatNumber(tasks), formatNumber(failed), formatSize(bytes), formatDuration(seconds)]);
  });
  return table(KEY_COLUMNS.map((title) => t(title)), rows);
}

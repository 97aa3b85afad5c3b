// The stores and the disks: whether they answer, and what room is left.

import { factList } from "./dashboard-parts.js";
import { el, render } from "./dom.js";
import { formatDuration, formatSize } from "./format.js";
import { LANGUAGE, t } from "./text.js";

const DISKS = { mongodb: "health.disk_mongodb", spool: "health.disk_spool" };

export function showHealth(container, { mongodb, redis, disks }) {
  render(container, mongo(mongodb), memory(redis), disks.map(disk));
}

function card(key, title, good, facts, meter = null) {
  const chip = el("span", { class: `chip ${good ? "good" : "bad"}` }, t(good ? "health.up" : "health.down"));
  return el(
    "article",
    { class: good ? "store" : "store down", "data-key": key, "aria-label": title },
    el("div", { class: "row heading" }, el("h3", {}, title), chip),
    meter,
    factList(facts),
  );
}

const answered = (ms) => [t("health.answers"), ms === null ? "-" : t("time.ms", { value: ms.toLocaleString(LANGUAGE) })];

function mongo({ up, ms, replica_set: name, primary, members, data_bytes: bytes }) {
  const facts = [answered(ms)];
  if (name !== null) facts.push([t("health.replica_set"), name || t("health.sharded")], [t("health.primary"), primary ?? "-"]);
  for (const each of members ?? []) {
    const lag = each.lag_seconds ? t("health.behind", { time: formatDuration(each.lag_seconds) }) : "";
    facts.push([each.name, `${each.state} ${lag}`]);
  }
  if (name && members === null) facts.push([t("health.members"), t("health.no_role")]);
  facts.push([t("health.data"), formatSize(bytes)]);
  return card("mongodb", t("health.mongodb"), up, facts);
}

function memory({ up, ms, used_bytes: used, max_bytes: most }) {
  const facts = [answered(ms)];
  if (used !== null) facts.push([t("health.memory"), most ? t("health.of", { used: formatSize(used), all: formatSize(most) }) : t("health.no_limit", { used: formatSize(used) })]);
  const label = t("health.redis_memory");
  return card("redis", t("health.redis"), up, facts, most ? bar(label, used / most, 0.9) : null);
}

function disk({ place, free_bytes: free, size_bytes: size, kept_bytes: kept, promised_bytes: promised, reusable_bytes: reusable }) {
  const title = t(DISKS[place]);
  const facts = [
    [t("health.free"), t("health.of", { used: formatSize(free), all: formatSize(size) })],
    [t("health.kept"), formatSize(kept)],
  ];
  if (place === "mongodb") facts.push([t("health.promised"), formatSize(promised)], [t("health.reusable"), formatSize(reusable)]);
  const good = free >= kept;
  const chip = el("span", { class: `chip ${good ? "good" : "bad"}` }, t(good ? "health.room" : "health.full"));
  return el(
    "article",
    { class: good ? "store" : "store down", "data-key": `disk-${place}`, "aria-label": title },
    el("div", { class: "row heading" }, el("h3", {}, title), chip),
    bar(title, (size - free) / size, (size - kept) / size),
    factList(facts),
  );
}

/** How much is used, and from where on it is too much. */
function bar(label, share, most) {
  const value = Math.min(1, Math.max(0, share)).toFixed(3);
  return el("meter", { min: 0, max: 1, low: most.toFixed(3), high: most.toFixed(3), optimum: 0, value, "data-key": "meter", "aria-label": t("health.used", { name: label, percent: Math.round(100 * share) }) });
}

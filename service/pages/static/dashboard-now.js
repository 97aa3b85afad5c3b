// What is wrong, and the figures of this moment.

import { count, el, show } from "/static/dashboard-dom.js";
import { duration } from "/static/words.js";

const LEVELS = { critical: "Critical", warning: "Warning" };

export function showAlarms(place, alarms) {
  if (!alarms.length) {
    show(place, el("p", { class: "well", "data-key": "well" }, el("span", { class: "chip good" }, "all well"), " Nothing is wrong."));
    return;
  }
  show(
    place,
    alarms.map((alarm) =>
      el(
        "p",
        { class: `problem ${alarm.level}`, "data-key": alarm.code },
        el("strong", {}, `${LEVELS[alarm.level]}: `),
        alarm.text[0].toUpperCase() + alarm.text.slice(1),
        ". ",
        alarm.status && el("a", { href: `?status=${alarm.status}#tasks-title`, "data-action": "filter", "data-status": alarm.status }, "Show these tasks"),
      ),
    ),
  );
}

export function showFigures(place, queue) {
  const lately = queue.lately;
  const span = duration(lately.seconds);
  const codes = Object.entries(lately.codes).map(([code, times]) => `${code} ${times}`);
  const idle = queue.workers.alive - queue.workers.running;
  show(
    place,
    figure("Waiting", count(queue.waiting), queue.waiting ? `oldest for ${duration(queue.oldest_seconds)}` : "nothing waits", "CREATED"),
    figure("Running", count(queue.running), "in a worker's hands", "STARTED"),
    figure("Workers", count(queue.workers.alive), idle ? `${count(idle)} of them drained` : "alive", null, !queue.workers.alive),
    figure("Done", count(lately.succeeded), `in the last ${span}`, "SUCCESS"),
    figure("Failed", count(lately.failed), codes.length ? codes.join(", ") : `in the last ${span}`, "FAILURE", lately.failed > 0),
  );
}

function figure(name, value, said, status, bad = false) {
  const number = status
    ? el("a", { href: `?status=${status}#tasks-title`, "data-action": "filter", "data-status": status }, value)
    : value;
  return el(
    "div",
    { class: bad ? "panel bad" : "panel", "data-key": name },
    el("dt", {}, name),
    el("dd", { class: "number" }, number),
    el("dd", { class: "quiet small" }, said),
  );
}

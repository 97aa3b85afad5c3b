/** Parts that the sections of the dashboard share: chips, times and lists of facts. */

import { el } from "./dom.js";
import { LANGUAGE, tWord } from "./text.js";

/** The class of the chip for each word of the API that has one. */
const CHIPS = {
  "task.CREATED": "wait",
  "task.STARTED": "wait",
  "task.SUCCESS": "good",
  "task.FAILURE": "bad",
  "worker.running": "good",
  "worker.draining": "wait",
  "worker.drained": "wait",
  "worker.silent": "bad",
  "webhook.WAITING": "wait",
  "webhook.CREATED": "wait",
  "webhook.SENT": "good",
  "webhook.FAILED": "bad",
};

/** @param {"task"|"worker"|"webhook"} group @param {string} state as the API calls it */
export const chip = (group, state) =>
  el("span", { class: `chip ${CHIPS[`${group}.${state}`] ?? ""}`, text: tWord(group, state) });

/** A time in the browser's time zone; with the date unless it is today. */
export function timeElement(iso, { seconds = true } = {}) {
  const at = new Date(iso);
  const clock = { hour: "2-digit", minute: "2-digit", second: seconds ? "2-digit" : undefined, hour12: false };
  const today = at.toDateString() === new Date().toDateString();
  const day = { day: "numeric", month: "short" };
  const text = at.toLocaleString(LANGUAGE, today ? clock : { ...day, ...clock });
  const title = at.toLocaleString(LANGUAGE, { dateStyle: "full", timeStyle: "full" });
  return el("time", { datetime: iso, title }, text);
}

/** @param {[string, any][]} pairs of a name and a text or element */
export const factList = (pairs) =>
  el(
    "dl",
    { class: "facts", "data-key": "facts" },
    pairs.map(([name, value]) => el("div", { "data-key": name }, el("dt", {}, name), el("dd", {}, value))),
  );

/**
 * The states of a picture, in one table:
 *
 *   chosen --start--> waiting --> sending --> queued --> working --> done --> gone
 *                        ^           |          | ^         |                  |
 *                        |           v          v |         v                  |
 *                        '--retry-- failed, cancelled --retry--> queued <--retry--'
 */

import { formatDuration } from "./format.js";
import { t } from "./text.js";

/** @typedef {import("./picture-list.js").Item} Item */

/**
 * @typedef {object} State
 * @property {string} label message of its chip
 * @property {string} held message of its chip while the picture has a note, which says what it waits for
 * @property {""|"wait"|"good"|"bad"} chip class of its chip
 * @property {string[]} statuses of the task that lead here
 * @property {"person"|"upload"|"task"|""} by what leads on from here; "": nothing, it is final
 * @property {""|"done"|"failed"|"cancelled"} outcome what it counts as; "": not final
 * @property {((item: Item) => number)|null} share how much of the upload or the work is behind it; null: unknown
 * @property {((item: Item) => string)|null} progress the same as a line of text; null: none
 * @property {("bar"|"problem"|"result"|"large"|"cancel"|"retry"|"remove")[]} shows parts of its card: progress bar,
 *   problem, facts of the result; buttons
 */

/** @type {Record<string, State>} */
export const STATES = {
  chosen: {
    label: "state.chosen", held: "state.chosen", chip: "", statuses: [], by: "person", outcome: "",
    share: null, progress: null, shows: [],
  },
  waiting: {
    label: "state.waiting", held: "state.waiting", chip: "wait", statuses: [], by: "upload", outcome: "",
    share: null, progress: null, shows: ["bar", "cancel"],
  },
  sending: {
    label: "state.sending", held: "state.held", chip: "wait", statuses: [], by: "upload", outcome: "",
    share: sentShare, progress: sentText, shows: ["bar", "cancel"],
  },
  queued: {
    label: "state.queued", held: "state.held", chip: "wait", statuses: ["CREATED"], by: "task", outcome: "",
    share: workShare, progress: queueText, shows: ["bar", "cancel"],
  },
  working: { // PENDING: STARTED with LEGACY_STATUS
    label: "state.working", held: "state.held", chip: "wait", statuses: ["STARTED", "PENDING"], by: "task", outcome: "",
    share: workShare, progress: workText, shows: ["bar", "cancel"],
  },
  done: {
    label: "state.done", held: "state.done", chip: "good", statuses: ["SUCCESS"], by: "", outcome: "done",
    share: null, progress: null, shows: ["result", "large", "remove"],
  },
  gone: { // done, but the result is no longer stored
    label: "state.gone", held: "state.gone", chip: "", statuses: ["SUCCESS"], by: "", outcome: "done",
    share: null, progress: null, shows: ["result", "retry", "remove"],
  },
  failed: {
    label: "state.failed", held: "state.failed", chip: "bad", statuses: ["FAILURE"], by: "", outcome: "failed",
    share: null, progress: null, shows: ["problem", "retry", "remove"],
  },
  cancelled: {
    label: "state.cancelled", held: "state.cancelled", chip: "", statuses: ["CANCELLED"], by: "", outcome: "cancelled",
    share: null, progress: null, shows: ["retry", "remove"],
  },
};

/** @param {{status: string, url: string|null}} task document of the API @returns {string} the state it leads to */
export function stateOf(task) {
  if (task.status === "SUCCESS" && !task.url) return "gone";
  const state = Object.keys(STATES).find((each) => STATES[each].statuses.includes(task.status));
  return state ?? "working"; // a status of a newer API
}

/** @param {Item} item */
export const isFinal = (item) => STATES[item.state].by === "";

/**
 * How far a picture is on its way from upload to result, 0 to 1.
 * @param {Item} item @param {number} upload how much of that way is the upload
 */
export function shareOf(item, upload) {
  if (isFinal(item)) return 1;
  const { by, share } = STATES[item.state];
  const behind = share?.(item) ?? 0;
  return by === "task" ? upload + (1 - upload) * behind : upload * behind;
}

/** The progress of a picture as one line of text. @param {Item} item */
export const progressText = (item) => item.note || (STATES[item.state].progress?.(item) ?? "");

/** @param {Item} item */
function sentShare(item) {
  return item.sent ?? 0;
}

/** @param {Item} item */
function sentText(item) {
  if (item.link) return t("progress.fetched");
  return t("progress.uploaded", { percent: Math.round(100 * sentShare(item)) });
}

/** @param {Item} item */
function workShare(item) {
  return item.task.progress / 100;
}

/** @param {Item} item */
function workText(item) {
  return withTimeLeft(t("unit.percent", { value: item.task.progress }), item.eta);
}

/** @param {Item} item */
function queueText(item) {
  if (item.position) return withTimeLeft(t("progress.ahead", { count: item.position }), item.eta);
  // The position is unknown for tasks of a group and for tasks that are polled.
  return withTimeLeft(t(item.position === 0 ? "progress.next" : "progress.queued"), item.eta);
}

/** @param {string} progress @param {number|null} [eta] seconds */
export function withTimeLeft(progress, eta) {
  return eta >= 1 ? t("progress.left", { progress, time: formatDuration(eta) }) : progress;
}

/** Which pictures trying again can help, and what the button of a set says. */

import { STATES } from "./picture-states.js";
import { t } from "./text.js";

/** @typedef {import("./picture-list.js").Item} Item */

/** Codes that the same picture with the same parameters gets each time. */
const FINAL = new Set([
  "bad_image",
  "bad_parameter",
  "bad_request",
  "forbidden",
  "original_gone",
  "original_missing",
  "too_large",
  "too_many_pixels",
  "too_much_memory",
  "too_much_work",
  "unsupported_format",
]);

/** @param {Item} item */
export const canRetry = (item) => STATES[item.state].shows.includes("retry") && !(item.problem && FINAL.has(item.problem.code));

/** The pictures that "Retry" of a set means: not those whose results are no longer stored. @param {Item[]} items */
export const retried = (items) =>
  items.filter((item) => ["failed", "cancelled"].includes(STATES[item.state].outcome) && canRetry(item));

/** @param {Item[]} items that would be retried */
export function retryText(items) {
  const cancelled = items.filter((item) => STATES[item.state].outcome === "cancelled").length;
  const failed = items.length - cancelled;
  if (!cancelled) return t("set.retry_failed", { count: failed });
  return failed ? t("set.retry", { count: items.length }) : t("set.retry_cancelled", { count: cancelled });
}

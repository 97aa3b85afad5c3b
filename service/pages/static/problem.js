/** Show a problem document: what is wrong in words, its code and figures under "Details". */

import { el } from "./dom.js";
import { t } from "./text.js";

const SHOWN_ELSEWHERE = new Set(["code", "detail", "error", "status", "title", "type", "incident"]);

/** @param {any} problem a problem document @returns {HTMLElement[]} */
export function describeProblem(problem) {
  const more = Object.entries(problem).filter(([name, v]) => !SHOWN_ELSEWHERE.has(name) && v !== null);
  const code = el("p", { class: "code" }, problem.code);
  for (const [name, value] of more) {
    const plain = typeof value !== "object" || Array.isArray(value);
    code.append(` · ${name}: ${plain ? [value].flat().join(", ") : JSON.stringify(value)}`);
  }
  const details = el("details", { class: "more" }, el("summary", { text: t("problem.details") }), code);
  return [el("p", { text: problem.detail }), details];
}

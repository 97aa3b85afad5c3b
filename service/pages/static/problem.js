/** Show a problem document: what is wrong in words, its code and figures under "Details". */

import { el } from "./dom.js";
import { t, tProblem } from "./text.js";

const SHOWN_ELSEWHERE = new Set(["code", "detail", "error", "status", "title", "type", "incident", "lang"]);

/** @param {any} problem a problem document @returns {HTMLElement[]} */
export function describeProblem(problem) {
  const more = Object.entries(problem).filter(([name, v]) => !SHOWN_ELSEWHERE.has(name) && v !== null);
  const code = el("p", { class: "code" }, problem.code);
  for (const [name, value] of more) {
    const plain = typeof value !== "object" || Array.isArray(value);
    code.append(` · ${name}: ${plain ? [value].flat().join(", ") : JSON.stringify(value)}`);
  }
  const said = tProblem(problem);
  // The API's own words have more figures than a text by code.
  const words = said.text !== problem.detail && el("p", { lang: "en", text: problem.detail });
  const details = el("details", { class: "more" }, el("summary", { text: t("problem.details") }), words, code);
  return [el("p", said), details];
}

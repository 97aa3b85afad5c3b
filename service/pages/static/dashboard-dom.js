// Elements kept over changes of their data, and how figures read.

import { el } from "./dom.js";

export { el };

/** Make the children of `was` those of `made`, and keep the nodes that stay: focus stays with them. */
export function show(was, ...made) {
  const is = document.createDocumentFragment();
  is.append(...made.flat().filter(Boolean));
  morph(was, is);
}

function morph(was, is) {
  const kept = new Map();
  for (const child of was.children) if (child.dataset?.key) kept.set(child.dataset.key, child);
  let at = was.firstChild;
  for (const next of [...is.childNodes]) {
    const key = next.dataset?.key;
    const same = key ? kept.get(key) : at;
    if (!same || same.nodeName !== next.nodeName || (!key && same.dataset?.key)) {
      was.insertBefore(next, at);
      continue;
    }
    if (same === at) at = at.nextSibling;
    else was.insertBefore(same, at);
    sync(same, next);
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

function sync(was, is) {
  if (was.nodeType !== Node.ELEMENT_NODE) {
    if (was.nodeValue !== is.nodeValue) was.nodeValue = is.nodeValue;
    return;
  }
  for (const { name } of [...was.attributes]) {
    if (!is.hasAttribute(name) && name !== "open") was.removeAttribute(name); // who opened it, closes it
  }
  for (const { name, value } of is.attributes) {
    if (was.getAttribute(name) !== value) was.setAttribute(name, value);
  }
  morph(was, is);
}

const STATES = {
  CREATED: ["wait", "waiting"],
  STARTED: ["wait", "running"],
  SUCCESS: ["good", "done"],
  FAILURE: ["bad", "failed"],
  CANCELLED: ["", "cancelled"],
  running: ["good", "running"],
  draining: ["wait", "draining"],
  drained: ["wait", "drained"],
  silent: ["bad", "silent"],
  "webhook WAITING": ["wait", "to be told"],
  "webhook CREATED": ["wait", "being told"],
  "webhook SENT": ["good", "told"],
  "webhook FAILED": ["bad", "not told"],
};

export function chip(state) {
  const [kind, word] = STATES[state] ?? ["", state];
  return el("span", { class: `chip ${kind}` }, word);
}

export const count = (number) => (number ?? 0).toLocaleString("en");

export const between = (from, to) => (Date.parse(to) - Date.parse(from)) / 1000;

/** When, in this browser's time: the clock today, with the date before. */
export function when(iso, { seconds = true } = {}) {
  const at = new Date(iso);
  const clock = { hour: "2-digit", minute: "2-digit", second: seconds ? "2-digit" : undefined, hour12: false };
  const today = at.toDateString() === new Date().toDateString();
  const day = { day: "numeric", month: "short" };
  const text = at.toLocaleString("en-GB", today ? clock : { ...day, ...clock });
  return el("time", { datetime: iso, title: at.toString() }, text);
}

// Update elements in place, and format numbers, times and states.

import { el } from "./dom.js";

export { el };

/** Replace the children of `parent`, reusing nodes that stay, so that they keep the focus. */
export function render(parent, ...children) {
  const wanted = document.createDocumentFragment();
  wanted.append(...children.flat().filter(Boolean));
  morph(parent, wanted);
}

function morph(current, wanted) {
  const kept = new Map();
  for (const child of current.children) if (child.dataset?.key) kept.set(child.dataset.key, child);
  let at = current.firstChild;
  for (const next of [...wanted.childNodes]) {
    const key = next.dataset?.key;
    const same = key ? kept.get(key) : at;
    if (!same || same.nodeName !== next.nodeName || (!key && same.dataset?.key)) {
      current.insertBefore(next, at);
      continue;
    }
    if (same === at) at = at.nextSibling;
    else current.insertBefore(same, at);
    sync(same, next);
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

function sync(current, wanted) {
  if (current.nodeType !== Node.ELEMENT_NODE) {
    if (current.nodeValue !== wanted.nodeValue) current.nodeValue = wanted.nodeValue;
    return;
  }
  for (const { name } of [...current.attributes]) {
    if (!wanted.hasAttribute(name) && name !== "open") current.removeAttribute(name); // the user opens and closes details
  }
  for (const { name, value } of wanted.attributes) {
    if (current.getAttribute(name) !== value) current.setAttribute(name, value);
  }
  morph(current, wanted);
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
  "webhook WAITING": ["wait", "waiting"],
  "webhook CREATED": ["wait", "sending"],
  "webhook SENT": ["good", "sent"],
  "webhook FAILED": ["bad", "failed"],
};

export function chip(state) {
  const [kind, word] = STATES[state] ?? ["", state];
  return el("span", { class: `chip ${kind}` }, word);
}

export const formatNumber = (number) => (number ?? 0).toLocaleString("en");

export const secondsBetween = (from, to) => (Date.parse(to) - Date.parse(from)) / 1000;

/** A time in the browser's time zone; with the date unless it is today. */
export function timeElement(iso, { seconds = true } = {}) {
  const at = new Date(iso);
  const clock = { hour: "2-digit", minute: "2-digit", second: seconds ? "2-digit" : undefined, hour12: false };
  const today = at.toDateString() === new Date().toDateString();
  const day = { day: "numeric", month: "short" };
  const text = at.toLocaleString("en-GB", today ? clock : { ...day, ...clock });
  return el("time", { datetime: iso, title: at.toString() }, text);
}

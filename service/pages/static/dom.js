/** Create and update DOM elements; text stays text, so a file name never becomes markup. */

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "rect", "path", "line", "g", "text"]);

/**
 * Create an element.
 * @param {string} tag
 * @param {Record<string, any>} [attributes] `class`, `text`, and `on<event>` functions;
 *   false, null and undefined leave an attribute out
 * @param {...any} children nodes, texts and (nested) lists of them; false, null and undefined are left out
 * @returns {any}
 */
export function el(tag, attributes = {}, ...children) {
  const element = SVG_TAGS.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** @param {string} id @returns {any} the element with that id */
export const byId = (id) => document.getElementById(id);

let ids = 0;

/** @returns {string} an id that no other element has */
export const uniqueId = () => `x${++ids}`;

/** Set text only if it differs, or a live region would announce it again. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Replace the children of `parent`, reusing nodes that stay, so that they keep the focus. What is within `data-kept`
 * stays as it is.
 */
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
  if (wanted.dataset?.kept !== undefined) return;
  for (const { name } of [...current.attributes]) {
    if (!wanted.hasAttribute(name) && name !== "open") current.removeAttribute(name); // the user opens and closes details
  }
  for (const { name, value } of wanted.attributes) {
    if (current.getAttribute(name) !== value) current.setAttribute(name, value);
  }
  morph(current, wanted);
}

/** Elements made by script: text is always text, so no file name becomes markup. */

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "rect", "path", "line", "g"]);

/**
 * Make an element.
 * @param {string} tag
 * @param {Record<string, any>} [given] attributes; `class`, `text`, and `on<event>` functions;
 *   false, null and undefined leave an attribute out
 * @param {...any} children nodes, texts and lists of them; false, null and undefined are left out
 * @returns {any}
 */
export function el(tag, given = {}, ...children) {
  const made = SVG_TAGS.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "text") made.textContent = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** @param {string} id @returns {any} the element of the page with that id */
export const byId = (id) => document.getElementById(id);

let ids = 0;

/** @returns {string} an id no other element has */
export const freshId = () => `x${++ids}`;

/** Set text only where it differs: a live region would say the same again. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

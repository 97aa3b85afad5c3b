/** Elements made by script: text is always text, so no file name becomes markup. */

/**
 * Make an element.
 * @param {string} tag
 * @param {Record<string, any>} [given] attributes; `class`, `text`, and `on<event>` functions;
 *   false, null and undefined leave an attribute out
 * @param {...(Node|string|null)} children
 * @returns {any}
 */
export function el(tag, given = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "text") made.textContent = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null));
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

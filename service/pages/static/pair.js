/** An original and results that cannot be laid over it, beside each other; and what decides that. */

import { el } from "./dom.js";
import { formatDimensions } from "./format.js";
import { t } from "./text.js";

/**
 * @typedef {object} Image an image to show
 * @property {string} url
 * @property {number} width in pixels
 * @property {number} height
 */

/** Operations whose result cannot be laid over its original, as their specs say. */
const RESHAPING = new Set(document.querySelector("[data-reshaping]").dataset.reshaping.split(" "));
const CUT_OR_PADDED = new Set(["cover", "pad"]); // values of `fit`

/**
 * Return whether a result and its original show the same in the same frame.
 * @param {Image} before @param {Image} after @param {{op: string}[]} operations
 */
export function canCompare(before, after, operations) {
  if (operations.some(({ op, fit }) => RESHAPING.has(op) || CUT_OR_PADDED.has(fit))) return false;
  // Rounding may change a side by one pixel.
  const off = Math.abs(before.width * after.height - before.height * after.width);
  return off <= 1.5 * Math.max(before.width, before.height);
}

/**
 * The original and its results side by side.
 * @param {Image|null} before @param {Image[]} after @param {string} name
 * @returns {HTMLElement}
 */
export function makePair(before, after, name) {
  const figure = (image, label) => {
    const img = el("img", { src: image.url, alt: t("text.labelled", { label: name, text: label }) });
    img.decoding = "async";
    reserveSize(img, image);
    const caption = el("figcaption", { text: t("compare.caption", { label, dimensions: formatDimensions(image) }) });
    return el("figure", {}, img, caption);
  };
  const numbered = (at) => (after.length > 1 ? t("compare.part", { number: at + 1 }) : t("compare.after"));
  const results = after.map((image, at) => figure(image, numbered(at)));
  const right = el("div", { class: after.length > 1 ? "parts" : "part" }, ...results);
  return el("div", { class: "pair" }, before && figure(before, t("compare.before")), right);
}

/** Reserve the size of an image before it is loaded. */
function reserveSize(node, { width, height }) {
  node.style.setProperty("--ratio", `${width / height}`);
  node.style.setProperty("--natural", `${width}px`);
}

/** @param {string} url @returns {Promise<Image|null>} null: the browser cannot show it */
export async function loadSize(url) {
  const img = new Image();
  const loaded = await new Promise((resolve) => {
    img.onload = () => resolve(true); // not decode(): it would hold all pixels of all images in memory
    img.onerror = () => resolve(false);
    img.src = url;
  });
  return loaded ? { url, width: img.naturalWidth, height: img.naturalHeight } : null;
}

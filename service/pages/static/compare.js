/** The original and the result in one frame, with a divider that pointer, touch and keys move. */

import { el } from "./dom.js";
import { sides } from "./words.js";

/**
 * @typedef {object} Shown a picture to show
 * @property {string} url
 * @property {number} width in pixels
 * @property {number} height
 */

const OTHER = new Set(["crop", "rotate", "split"]);

/**
 * Tell whether a result shows the same scene as its original in the same frame.
 * @param {Shown} before @param {Shown} after @param {{op: string}[]} operations
 */
export function comparable(before, after, operations) {
  if (operations.some(({ op }) => OTHER.has(op))) return false;
  // A rounded side may be off by a pixel.
  const off = Math.abs(before.width * after.height - before.height * after.width);
  return off <= 1.5 * Math.max(before.width, before.height);
}

/**
 * @param {Shown} before laid over the result in its size @param {Shown} after
 * @param {string} name of the picture, for those who hear it
 * @returns {HTMLElement}
 */
export function slider(before, after, name) {
  const first = el("img", { class: "before", src: before.url, alt: `${name}: the original` });
  const second = el("img", { class: "after", alt: `${name}: the result` });
  first.decoding = second.decoding = "async";
  const stage = el(
    "div",
    { class: "stage loading" },
    second,
    first,
    el("span", { class: "divider", "aria-hidden": "true" }),
    el("span", { class: "tag left", "aria-hidden": "true", text: "Before" }),
    el("span", { class: "tag right", "aria-hidden": "true", text: "After" }),
  );
  fit(stage, after);
  second.addEventListener("load", () => stage.classList.remove("loading"));
  second.src = after.url;
  const range = el("input", {
    type: "range",
    min: 0,
    max: 100,
    value: 50,
    "aria-label": `${name}: from the result to the original`,
  });
  const set = (value) => {
    range.value = value;
    stage.style.setProperty("--cut", `${range.value}%`);
    range.setAttribute("aria-valuetext", `${range.value} % original`);
  };
  range.addEventListener("input", () => set(range.value));
  const follow = (event) => {
    const box = stage.getBoundingClientRect();
    set((100 * (event.clientX - box.left)) / box.width);
  };
  stage.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault(); // or the browser drags the picture away
    if (event.pointerType === "mouse") stage.setPointerCapture(event.pointerId);
    follow(event);
  });
  stage.addEventListener("pointermove", (event) => {
    if (event.buttons & 1) follow(event);
  });
  set(50);
  return el("div", { class: "compare" }, el("div", { class: "pan" }, stage), range);
}

/**
 * The original and its results beside each other, where no frame fits both.
 * @param {Shown|null} before @param {Shown[]} after @param {string} name
 * @returns {HTMLElement}
 */
export function pair(before, after, name) {
  const figure = (shown, word) => {
    const img = el("img", { src: shown.url, alt: `${name}: ${word.toLowerCase()}` });
    img.decoding = "async";
    fit(img, shown);
    const caption = el("figcaption", { text: `${word}, ${sides(shown)}` });
    return el("figure", {}, img, caption);
  };
  const numbered = (at) => (after.length > 1 ? `Result ${at + 1}` : "After");
  const results = after.map((shown, at) => figure(shown, numbered(at)));
  const right = el("div", { class: after.length > 1 ? "parts" : "part" }, ...results);
  return el("div", { class: "pair" }, before && figure(before, "Before"), right);
}

/** Give an element the shape and the size of a picture before it has come. */
function fit(node, { width, height }) {
  node.style.setProperty("--ratio", `${width / height}`);
  node.style.setProperty("--natural", `${width}px`);
  node.style.setProperty("--true", `${width / devicePixelRatio}px`);
}

/** @param {string} url @returns {Promise<Shown|null>} null: the browser cannot show it */
export async function measure(url) {
  const img = new Image();
  const loaded = await new Promise((resolve) => {
    img.onload = () => resolve(true); // not decode(): all pixels of many pictures are too many
    img.onerror = () => resolve(false);
    img.src = url;
  });
  return loaded ? { url, width: img.naturalWidth, height: img.naturalHeight } : null;
}

/** A frame on the picture that is cut out: moved and resized by pointer, or by the number fields beside it. */

import { el, uniqueId } from "./dom.js";
import { t } from "./text.js";

const RATIOS = [["free", 0], ["1:1", 1], ["4:3", 4 / 3], ["3:2", 3 / 2], ["16:9", 16 / 9]];

/** @typedef {{x: number, y: number, width: number, height: number}} Rect in pixels of the picture */

/**
 * @param {{url: string, width: number, height: number}} picture upright
 * @param {() => Rect} read the number fields @param {(rect: Rect) => void} write into them
 * @returns {{node: HTMLElement, update: () => void}} `update`: show what the fields say
 */
export function makeCropFrame(picture, read, write) {
  const frame = el("span", { class: "frame" });
  const corners = ["nw", "ne", "sw", "se"].map((corner) => el("span", { class: `corner ${corner}` }));
  frame.append(...corners);
  // For pointers only: the fields are for the keyboard.
  const image = el("img", { src: picture.url, alt: t("crop.picture"), draggable: "false" });
  const stage = el("div", { class: "cropping" }, image, el("div", { class: "shade", "aria-hidden": "true" }, frame));
  const group = uniqueId();
  let ratio = 0;
  const ratios = RATIOS.map(([name, value]) => {
    const radio = el("input", { type: "radio", name: group, value: name, checked: value === 0 });
    radio.addEventListener("change", () => {
      ratio = value;
      if (ratio) set(fitted({ ...read() }));
    });
    return el("label", {}, radio, el("span", { text: value ? name : t("crop.free") }));
  });

  const update = () => {
    const rect = read();
    const share = (value, side) => `${(100 * value) / side}%`;
    frame.style.left = share(rect.x, picture.width);
    frame.style.top = share(rect.y, picture.height);
    frame.style.width = share(rect.width, picture.width);
    frame.style.height = share(rect.height, picture.height);
  };
  const set = (rect) => {
    write(inside(rect));
    update();
  };
  /** Whole pixels within the picture. @param {Rect} rect @returns {Rect} */
  const inside = ({ x, y, width, height }) => {
    const wide = Math.min(picture.width, Math.max(1, Math.round(width)));
    const high = Math.min(picture.height, Math.max(1, Math.round(height)));
    const place = (at, side, all) => Math.min(all - side, Math.max(0, Math.round(at)));
    return { x: place(x, wide, picture.width), y: place(y, high, picture.height), width: wide, height: high };
  };
  /** The largest frame of the ratio around the middle of `rect`, no wider than it. */
  const fitted = (rect) => {
    const height = Math.min(rect.width / ratio, picture.height);
    const width = height * ratio;
    return { x: rect.x + (rect.width - width) / 2, y: rect.y + (rect.height - height) / 2, width, height };
  };

  stage.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    stage.setPointerCapture(event.pointerId);
    const from = { x: event.clientX, y: event.clientY, rect: read(), corner: event.target.classList };
    const scale = picture.width / image.getBoundingClientRect().width;
    const isCorner = from.corner.contains("corner");
    const move = (to) => {
      const [dx, dy] = [(to.clientX - from.x) * scale, (to.clientY - from.y) * scale];
      set(isCorner ? resized(from.rect, from.corner, dx, dy, ratio, picture) : { ...from.rect, x: from.rect.x + dx, y: from.rect.y + dy });
    };
    const end = () => {
      stage.removeEventListener("pointermove", move);
      stage.removeEventListener("pointerup", end);
      stage.removeEventListener("pointercancel", end);
    };
    stage.addEventListener("pointermove", move);
    stage.addEventListener("pointerup", end);
    stage.addEventListener("pointercancel", end);
  });
  update();
  const shapes = el("div", { class: "choices", role: "group", "aria-label": t("crop.shape") }, ...ratios);
  return { node: el("div", { class: "crop" }, stage, shapes), update };
}

/** A rectangle whose corner was moved by (dx, dy); the opposite corner stays. @returns {Rect} */
function resized(rect, corner, dx, dy, ratio, picture) {
  const [west, north] = [corner.contains("nw") || corner.contains("sw"), corner.contains("nw") || corner.contains("ne")];
  const [right, bottom] = [rect.x + rect.width, rect.y + rect.height];
  let width = Math.min(west ? right : picture.width - rect.x, Math.max(1, rect.width + (west ? -dx : dx)));
  let height = Math.min(north ? bottom : picture.height - rect.y, Math.max(1, rect.height + (north ? -dy : dy)));
  if (ratio) [width, height] = [Math.min(width, height * ratio), Math.min(height, width / ratio)];
  return { x: west ? right - width : rect.x, y: north ? bottom - height : rect.y, width, height };
}

/** Compare two versions of a picture: zoomed and panned together, under one divider or side by side. */

import { findDetail, shrink } from "./detail.js";
import { el, setText } from "./dom.js";
import { Minimap } from "./minimap.js";
import { t } from "./text.js";
import { attachGestures } from "./viewer-gestures.js";
import { makeTools } from "./viewer-tools.js";
import { CRISP_ZOOM, clampView, fitZoom, openingZoom, panBy, zoomAt } from "./view-geometry.js";

/**
 * @typedef {object} Version of a picture: its original, or a result
 * @property {string} label
 * @property {string} url
 * @property {number} width in pixels
 * @property {number} height
 */

let sideBySide = false; // as it was left last, for the next viewer

export class Viewer {
  /**
   * @param {Version[]} versions all that can be compared; the first is the original, the second the result. Each is
   *   stretched over the one at the right
   * @param {string} name of the picture, for screen readers
   * @param {{whole?: boolean, left?: number, step?: (by: number) => void}} [options] `whole`: it fills the window; `left`:
   *   which version stands there at first; `step`: goes to the next or previous picture
   */
  constructor(versions, name, { whole = false, left = 0, step } = {}) {
    this.versions = versions;
    this.name = name;
    this.shown = [versions[left], versions[1]];
    this.moved = false; // by a person: then nothing else moves the view
    this.step = step ?? null;
    this.whole = whole;
    this.images = ["before", "after"].map((place) => el("img", { class: place, draggable: "false" }));
    this.tags = ["left", "right"].map((place) => el("span", { class: `tag ${place}`, "aria-hidden": "true" }));
    this.panes = this.images.map((image, at) => el("div", { class: at ? "pane second" : "pane first" }, image, this.tags[at]));
    this.range = el("input", { class: "cut", type: "range", min: 0, max: 100, "aria-label": t("compare.share", { name }) });
    this.range.addEventListener("input", () => this.setCut(this.range.value));
    this.map = new Minimap((x, y) => this.move({ x: x * this.size.width, y: y * this.size.height }));
    const label = t(this.step ? "viewer.stage_of_several" : "viewer.stage", { name });
    this.stage = el(
      "div",
      { class: "stage loading", tabindex: "0", role: "group", "aria-label": label },
      ...this.panes.toReversed(),
      this.range,
      this.map.node,
    );
    this.tools = makeTools(this, versions);
    this.node = el("div", { class: "viewer" }, this.stage, this.tools.node);
    this.view = { zoom: 1, x: this.size.width / 2, y: this.size.height / 2 };
    attachGestures(this.stage, this.node, this);
    this.images[1].addEventListener("load", () => this.loaded());
    new ResizeObserver(() => this.draw()).observe(this.stage);
    this.setCut(50);
    this.setSide(sideBySide);
    this.show(0, versions[left]);
    this.show(1, versions[1]);
  }

  /** @returns {{width: number, height: number}} of the version at the right, over which the other is stretched */
  get size() {
    return this.shown[1];
  }

  /** @returns {{width: number, height: number}} of a pane, in pixels of the screen */
  get frame() {
    const { clientWidth, clientHeight } = this.panes[1];
    return { width: Math.max(1, clientWidth * devicePixelRatio), height: Math.max(1, clientHeight * devicePixelRatio) };
  }

  /** Show a version. @param {number} at 0: left, 1: right @param {Version} version */
  show(at, version) {
    const grown = version.width / this.shown[1].width;
    if (at && grown !== 1) {
      const { zoom, x, y } = this.view;
      this.view = { zoom: zoom / grown, x: x * grown, y: y * grown }; // the same part, in the same size
    }
    this.shown[at] = version;
    const [image] = [this.images[at]];
    image.decoding = "async";
    image.alt = t("text.labelled", { label: this.name, text: version.label });
    image.src = version.url;
    setText(this.tags[at], version.label);
    this.stage.style.setProperty("--natural", `${this.size.width / devicePixelRatio}px`);
    this.stage.style.setProperty("--tall", `${this.size.height / devicePixelRatio}px`);
    this.draw();
  }

  /** Go to the most detailed part, now that there are pixels to look at. */
  loaded() {
    this.stage.classList.remove("loading");
    const small = shrink(this.images[1]);
    this.map.show(small);
    if (!this.moved) {
      const { width, height } = this.size;
      const { width: wide, height: high } = this.frame;
      const { x, y } = findDetail(small, { width: wide / width, height: high / height });
      this.view = { zoom: openingZoom(this.size, devicePixelRatio), x: x * width, y: y * height };
    }
    this.draw();
  }

  /** Draw both versions where the view says. */
  draw() {
    const { size, frame } = this;
    this.view = clampView(this.view, size, frame);
    const { zoom, x, y } = this.view;
    const scale = zoom / devicePixelRatio;
    // Whole pixels of the screen: at 100 % nothing is interpolated.
    const place = (visible, at) => Math.round(visible / 2 - at * zoom) / devicePixelRatio;
    const shift = `translate(${place(frame.width, x)}px, ${place(frame.height, y)}px)`;
    for (const [at, image] of this.images.entries()) {
      image.style.width = `${size.width * scale}px`;
      image.style.height = `${size.height * scale}px`;
      image.style.transform = shift;
      // A smaller original is enlarged as a browser does it, smoothly.
      image.classList.toggle("crisp", zoom >= CRISP_ZOOM && this.shown[at].width >= size.width);
    }
    this.stage.dataset.zoom = `${Math.round(100 * zoom)}`;
    this.tools.update();
    this.map.update(this.view, size, frame);
  }

  /** @param {{zoom?: number, x?: number, y?: number}} change */
  move(change) {
    this.moved = true;
    this.view = { ...this.view, ...change };
    this.draw();
  }

  pan(dx, dy) {
    this.move(panBy(this.view, dx * devicePixelRatio, dy * devicePixelRatio, this.size, this.frame));
  }

  zoom(factor, at) {
    this.move(zoomAt(this.view, factor, this.pointOf(at), this.size, this.frame));
  }

  actual(at) {
    if (at && this.view.zoom === 1) this.fit();
    else this.zoom(1 / this.view.zoom, at);
  }

  fit() {
    this.move({ zoom: fitZoom(this.size, this.frame) });
  }

  place() {
    return this.view.x * this.view.zoom;
  }

  /** A point of the window, from the middle of its pane in pixels of the screen. */
  pointOf(at) {
    if (!at) return { x: 0, y: 0 };
    const inside = ({ left, right, top, bottom }) =>
      at.clientX >= left && at.clientX <= right && at.clientY >= top && at.clientY <= bottom;
    const boxes = this.panes.map((pane) => pane.getBoundingClientRect());
    const { left, top, width, height } = boxes.find(inside) ?? boxes[1];
    const [x, y] = [at.clientX - left - width / 2, at.clientY - top - height / 2];
    return { x: x * devicePixelRatio, y: y * devicePixelRatio };
  }

  setCut(value) {
    this.range.value = value;
    this.stage.style.setProperty("--cut", `${this.range.value}%`);
    this.range.setAttribute("aria-valuetext", t("compare.share_now", { percent: this.range.value }));
  }

  /** @param {boolean} side by side instead of one over the other */
  setSide(side) {
    this.side = sideBySide = side;
    this.stage.classList.toggle("side", side);
    this.range.hidden = side;
    this.draw();
  }

  toggleSide() {
    this.setSide(!this.side);
  }
}

/** A small copy of the whole picture with a frame around the visible part; a click or drag moves the view. */

import { el } from "./dom.js";
import { visiblePart } from "./view-geometry.js";

export class Minimap {
  /** @param {(x: number, y: number) => void} move the view's middle to shares of the picture */
  constructor(move) {
    this.frame = el("span", { class: "here" });
    // For pointers only: keys move the view itself.
    this.node = el("div", { class: "map", "aria-hidden": "true", hidden: true });
    const follow = (event) => {
      const box = this.node.getBoundingClientRect();
      move((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    };
    this.node.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      this.node.setPointerCapture(event.pointerId);
      follow(event);
    });
    this.node.addEventListener("pointermove", (event) => event.buttons & 1 && follow(event));
  }

  /** @param {HTMLCanvasElement} canvas the small copy */
  show(canvas) {
    this.node.replaceChildren(canvas, this.frame);
    this.node.style.setProperty("--ratio", `${canvas.width / canvas.height}`);
  }

  /** Draw the visible part; hidden while that is the whole picture. */
  update(view, picture, frame) {
    const part = visiblePart(view, picture, frame);
    this.node.hidden = !this.node.childElementCount || (part.width > 0.995 && part.height > 0.995);
    for (const [side, share] of Object.entries(part)) this.frame.style[side] = `${100 * share}%`;
  }
}

/** Pictures that were chosen and not started: small, each with a way out. */

import { el } from "./dom.js";
import { size } from "./words.js";

export class Tray {
  /** @param {HTMLElement} list @param {import("./pictures.js").Pictures} pictures */
  constructor(list, pictures) {
    this.list = list;
    this.pictures = pictures;
    /** @type {Map<string, {node: HTMLElement, url: string}>} */
    this.shown = new Map();
  }

  /** @param {import("./pictures.js").Item} item @param {boolean} gone */
  take(item, gone) {
    const known = this.shown.get(item.id);
    if (item.state === "chosen" && !gone) {
      if (!known) this.show(item);
    } else if (known) {
      const next = known.node.nextElementSibling ?? known.node.previousElementSibling;
      if (known.node.contains(document.activeElement)) next?.querySelector("button").focus();
      known.node.remove();
      if (known.url) URL.revokeObjectURL(known.url);
      this.shown.delete(item.id);
    }
    this.list.hidden = !this.shown.size;
  }

  /** @param {import("./pictures.js").Item} item */
  async show(item) {
    const img = el("img", { alt: "", hidden: true });
    const remove = el("button", {
      type: "button",
      class: "plain",
      text: "✕",
      "aria-label": `Do not send ${item.name}`,
      onclick: () => this.pictures.forget([item]),
    });
    const name = el("span", { class: "name small", text: item.name, title: item.name });
    const bytes = el("span", { class: "quiet small", text: size(item.size) });
    const frame = el("div", { class: "thumb" }, img);
    const node = el("li", {}, frame, el("div", { class: "words" }, name, bytes), remove);
    const entry = { node, url: "" };
    this.shown.set(item.id, entry);
    this.list.append(node);
    const file = await this.pictures.history.file(item.id);
    if (!file || !this.shown.has(item.id)) return;
    entry.url = URL.createObjectURL(file);
    img.onload = () => (img.hidden = false); // what is no picture shows an empty frame
    img.src = entry.url;
  }
}

/** The list of chosen pictures that are not started yet, each with a remove button. */

import { el } from "./dom.js";
import { formatSize } from "./format.js";
import { t } from "./text.js";

export class SelectedFiles {
  /** @param {HTMLElement} list @param {import("./picture-list.js").PictureList} pictures */
  constructor(list, pictures) {
    this.list = list;
    this.pictures = pictures;
    /** @type {Map<string, {node: HTMLElement, url: string}>} */
    this.entries = new Map();
  }

  /** @param {import("./picture-list.js").Item} item @param {boolean} removed */
  update(item, removed) {
    const entry = this.entries.get(item.id);
    if (item.state === "chosen" && !removed) {
      if (!entry) this.add(item);
    } else if (entry) {
      const next = entry.node.nextElementSibling ?? entry.node.previousElementSibling;
      if (entry.node.contains(document.activeElement)) next?.querySelector("button").focus();
      entry.node.remove();
      if (entry.url) URL.revokeObjectURL(entry.url);
      this.entries.delete(item.id);
    }
    this.list.hidden = !this.entries.size;
  }

  /** @param {import("./picture-list.js").Item} item */
  async add(item) {
    const img = el("img", { alt: "", hidden: true });
    const remove = el("button", {
      type: "button",
      class: "plain",
      text: "✕",
      "aria-label": t("upload.remove", { name: item.name }),
      onclick: () => this.pictures.remove([item]),
    });
    const name = el("span", { class: "name small", text: item.name, title: item.name });
    const bytes = el("span", { class: "quiet small", text: formatSize(item.size) });
    const frame = el("div", { class: "thumb" }, img);
    const node = el("li", {}, frame, el("div", { class: "text" }, name, bytes), remove);
    const entry = { node, url: "" };
    this.entries.set(item.id, entry);
    this.list.append(node);
    const file = await this.pictures.history.file(item.id);
    if (!file || !this.entries.has(item.id)) return;
    entry.url = URL.createObjectURL(file);
    img.onload = () => (img.hidden = false); // a file that is not an image keeps an empty frame
    img.src = entry.url;
  }
}

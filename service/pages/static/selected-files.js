/** The list of chosen pictures that are not started yet, each with a remove button. */

import { el } from "./dom.js";
import { formatDimensions, formatSize, formatSource } from "./format.js";
import { t } from "./text.js";

export class SelectedFiles {
  /** @param {HTMLElement} list @param {import("./picture-list.js").PictureList} pictures */
  constructor(list, pictures) {
    this.list = list;
    this.pictures = pictures;
    /** @type {Map<string, {item: any, node: HTMLElement, url: string, width: number, height: number}>} */
    this.entries = new Map();
    this.changed = () => {}; // set by who wants to know
  }

  /** @param {import("./picture-list.js").Item} item @param {boolean} removed */
  update(item, removed) {
    const entry = this.entries.get(item.id);
    if (item.state === "chosen" && !removed) {
      if (!entry) this.add(item);
    } else if (entry) {
      this.removeNode(entry.node);
      if (entry.url) URL.revokeObjectURL(entry.url);
      this.entries.delete(item.id);
      this.changed();
    }
    this.list.hidden = !this.list.children.length;
  }

  /** The pictures that this browser can show, upright. */
  shown() {
    const shown = [...this.entries.values()].filter(({ width }) => width);
    return shown.map(({ item: { id, name, size }, url, width, height }) => ({ id, name, size, url, width, height }));
  }

  /** Remove an entry from the page; its focus goes to the next one. @param {HTMLElement} node */
  removeNode(node) {
    const next = node.nextElementSibling ?? node.previousElementSibling;
    if (node.contains(document.activeElement)) (next ?? document).querySelector("button")?.focus();
    node.remove();
    this.list.hidden = !this.list.children.length;
  }

  /** @param {import("./picture-list.js").Item} item */
  async add(item) {
    const img = el("img", { alt: "", hidden: true });
    const remove = el("button", { type: "button", class: "plain", text: "✕", onclick: () => this.pictures.remove([item]) });
    remove.setAttribute("aria-label", t("upload.remove", { name: item.name }));
    const name = el("span", { class: "name small", text: item.name, title: item.name });
    const facts = el("span", { class: "quiet small", text: formatSource(item) });
    const frame = el("div", { class: "thumb" }, img);
    const node = el("li", {}, frame, el("div", { class: "text" }, name, facts), remove);
    const entry = { item, node, url: "", width: 0, height: 0 };
    this.entries.set(item.id, entry);
    this.list.append(node);
    const file = await this.pictures.history.file(item.id);
    if (!file || !this.entries.has(item.id)) return;
    entry.url = URL.createObjectURL(file);
    img.onload = () => {
      img.hidden = false; // a file that is not an image keeps an empty frame
      [entry.width, entry.height] = [img.naturalWidth, img.naturalHeight];
      facts.textContent = t("upload.facts", { picture: formatDimensions(entry), size: formatSize(item.size) });
      this.changed();
    };
    img.src = entry.url;
  }
}

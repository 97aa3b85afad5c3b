/** The list of chosen pictures that are not started yet, and of files that were refused, each with a remove button. */

import { el } from "./dom.js";
import { describeProblem } from "./problem.js";
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

  /** Say why a file is not taken. It comes before the others, so that it is seen. @param {{name: string}} file @param {any} problem */
  refuse(file, problem) {
    const node = el("li", { class: "refused" });
    const text = el("div", { class: "text" }, el("span", { class: "name", text: file.name }), ...describeProblem(problem));
    node.append(text, removeButton(file.name, () => this.removeNode(node)));
    this.list.prepend(node);
    this.list.hidden = false;
  }

  /** Forget what was refused before. */
  forgetRefused() {
    this.list.querySelectorAll(".refused").forEach((node) => this.removeNode(node));
  }

  /** @param {import("./picture-list.js").Item} item */
  async add(item) {
    const img = el("img", { alt: "", hidden: true });
    const remove = removeButton(item.name, () => this.pictures.remove([item]));
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

const removeButton = (name, onclick) =>
  el("button", { type: "button", class: "plain", text: "✕", "aria-label": t("upload.remove", { name }), onclick });

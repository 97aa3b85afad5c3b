/** The card of one picture: progress, result, error and actions. */

import { canCompare, loadSize, makePair, makeSlider } from "./compare-slider.js";
import { el, setText } from "./dom.js";
import { openLightbox } from "./lightbox.js";
import { ENDED } from "./picture-list.js";
import { formatDimensions, formatDuration, formatSize, progressText, stateLabel } from "./format.js";

/** @typedef {import("./picture-list.js").Item} Item */

const SHOWN_ELSEWHERE = new Set(["code", "detail", "error", "status", "title", "type", "incident"]);

export class PictureCard {
  /**
   * @param {Item} item
   * @param {{file: () => Promise<Blob|undefined>, cancel: () => void, retry: () => void,
   *   remove: () => void}} callbacks
   */
  constructor(item, callbacks) {
    this.item = item;
    this.callbacks = callbacks;
    /** @type {Promise<string>|null} URL of the original; "" if it is gone */
    this.original = null;
    this.shownState = "";
    const button = (text, onclick) => el("button", { type: "button", text, onclick });
    this.view = el("div", { class: "view" });
    this.title = el("h3", { class: "title", tabindex: "-1", text: item.name });
    this.chip = el("span", { class: "chip" });
    this.facts = el("p", { class: "facts quiet small" });
    this.bar = el("progress", { max: "1", "aria-label": `Progress of ${item.name}` });
    this.note = el("p", { class: "note small" });
    this.problem = el("div", { class: "problem" });
    this.links = el("div", { class: "links" });
    this.lightboxButton = button("Large view", () => this.openLightbox());
    this.cancelButton = button("Cancel", () => callbacks.cancel());
    this.retryButton = button("Retry", () => callbacks.retry());
    this.removeButton = button("Remove", () => callbacks.remove());
    this.removeButton.className = "plain remove"; // hidden in a set of one, which has the same button
    const buttons = el("div", { class: "row actions" }, this.links, this.lightboxButton, this.retryButton);
    buttons.append(this.cancelButton, this.removeButton);
    for (const each of [this.lightboxButton, this.cancelButton, this.retryButton, this.removeButton])
      each.setAttribute("aria-label", `${each.textContent}: ${item.name}`);
    const head = el("div", { class: "row head" }, this.title, this.chip);
    const progress = el("div", { class: "progress" }, this.bar, this.note);
    const about = el("div", { class: "about" }, head, this.facts, progress, this.problem, buttons);
    this.progress = progress;
    this.node = el("li", { class: "card panel" }, this.view, about);
    this.update();
  }

  /** Show the item as it is now. */
  update() {
    const { item } = this;
    const focused = this.node.contains(document.activeElement) ? document.activeElement : null;
    const [label, kind] = stateLabel(item);
    const ended = ENDED.has(item.state);
    const gone = item.state === "done" && !item.task.url;
    setText(this.chip, gone ? "no longer stored" : label);
    this.chip.className = `chip ${gone ? "" : kind}`;
    this.node.dataset.state = item.state;
    setText(this.facts, describeResult(item));
    this.progress.hidden = ended && !item.note;
    this.bar.hidden = ended;
    this.updateProgress();
    setText(this.note, progressText(item));
    this.problem.hidden = !item.problem || item.state !== "failed";
    if (!this.problem.hidden) this.showProblem(item.problem);
    this.cancelButton.hidden = ended;
    this.retryButton.hidden = !["failed", "cancelled"].includes(item.state) && !gone;
    this.removeButton.hidden = !ended;
    this.lightboxButton.hidden = item.state !== "done" || gone;
    this.showPictures();
    // If the focused element was hidden, move the focus to the title.
    if (focused && !focused.checkVisibility()) this.title.focus();
  }

  updateProgress() {
    const { item } = this;
    const share = item.state === "sending" ? item.sent : (item.task?.progress ?? 0) / 100;
    if (item.state === "waiting" || item.note) this.bar.removeAttribute("value");
    else this.bar.value = share ?? 0;
  }

  /** Show a problem document. @param {any} problem */
  showProblem(problem) {
    const more = Object.entries(problem).filter(([name, v]) => !SHOWN_ELSEWHERE.has(name) && v !== null);
    const code = el("p", { class: "code" }, problem.code);
    for (const [name, value] of more) {
      const plain = typeof value !== "object" || Array.isArray(value);
      code.append(` · ${name}: ${plain ? [value].flat().join(", ") : JSON.stringify(value)}`);
    }
    this.problem.replaceChildren(el("p", { text: problem.detail }), code);
  }

  /** Show the images, again only if something changed, since that costs time. */
  showPictures() {
    const { item } = this;
    const done = item.state === "done" && item.task.url;
    const results = done ? item.task.results.map((result) => result.url).join() : "";
    const rejected = item.state === "failed" && !item.task;
    const now = rejected ? "rejected" : `original ${results}`;
    if (now === this.shownState) return;
    this.shownState = now;
    this.links.replaceChildren(...(done ? downloads(item) : []));
    this.preview().then((node) => {
      if (now === this.shownState) this.view.replaceChildren(...(node ? [node] : []));
    });
  }

  /** @returns {Promise<HTMLElement|null>} the original, or its comparison with the result */
  async preview() {
    const { item } = this;
    this.original ??= this.callbacks.file().then((file) => (file ? URL.createObjectURL(file) : ""));
    if (item.state === "failed" && !item.task) return null; // probably not an image
    const url = await this.original;
    const before = url ? await loadSize(url) : null;
    if (item.state !== "done" || !item.task.url)
      return before && el("img", { class: "plain", src: before.url, alt: "" });
    const after = item.task.results.filter((result) => result.url);
    if (before && after.length === 1 && canCompare(before, after[0], item.task.operations))
      return makeSlider(before, after[0], item.name);
    return makePair(before, after, item.name);
  }

  async openLightbox() {
    const content = await this.preview();
    if (content) openLightbox(this.item.name, content);
  }

  /** Release its object URL and remove it. */
  close() {
    this.original?.then((url) => url && URL.revokeObjectURL(url));
    this.node.remove();
  }
}

/** @param {Item} item */
function describeResult(item) {
  const { task } = item;
  const results = item.state === "done" ? task.results : [];
  if (!results.length) return formatSize(item.size);
  const took = (Date.parse(task.finished_at) - Date.parse(task.started_at)) / 1000;
  const bytes = results.reduce((sum, each) => sum + each.bytes, 0);
  const output = results.length > 1 ? `${results.length} pictures` : formatDimensions(results[0]);
  const notes = results.flatMap((each) => each.notes ?? []);
  const format = results[0].format.toUpperCase();
  const summary = `${output}, ${format}, ${formatSize(bytes)} (was ${formatSize(item.size)})`;
  const done = Number.isFinite(took) ? `, done in ${formatDuration(took)}` : "";
  return [summary + done, ...new Set(notes)].join(" · ");
}

/** @param {Item} item */
function downloads(item) {
  const { results } = item.task;
  return results
    .filter((result) => result.url)
    .map((result, at) => {
      const text = results.length > 1 ? `Download ${at + 1}` : "Download";
      const href = `${result.url}?download=1`;
      const label = `${text}: ${result.name}`;
      const first = results.length > 1 ? "button" : "button primary";
      return el("a", { class: first, href, download: result.name, text, "aria-label": label });
    });
}

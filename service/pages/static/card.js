/** One picture on the page: how far it is, what came of it, what can be done with it. */

import { comparable, measure, pair, slider } from "./compare.js";
import { el, say } from "./dom.js";
import { enlarge } from "./large.js";
import { ENDED } from "./pictures.js";
import { duration, sides, size, standing, state } from "./words.js";

/** @typedef {import("./pictures.js").Item} Item */

const TOLD = new Set(["code", "detail", "error", "status", "title", "type", "incident"]);

export class Card {
  /**
   * @param {Item} item
   * @param {{file: () => Promise<Blob|undefined>, cancel: () => void, retry: () => void,
   *   remove: () => void}} can
   */
  constructor(item, can) {
    this.item = item;
    this.can = can;
    /** @type {Promise<string>|null} URL of the original; "" where it is gone */
    this.original = null;
    this.shown = "";
    const button = (text, onclick) => el("button", { type: "button", text, onclick });
    this.view = el("div", { class: "view" });
    this.title = el("h3", { class: "title", tabindex: "-1", text: item.name });
    this.chip = el("span", { class: "chip" });
    this.facts = el("p", { class: "facts quiet small" });
    this.bar = el("progress", { max: "1", "aria-label": `Progress of ${item.name}` });
    this.note = el("p", { class: "note small" });
    this.problem = el("div", { class: "problem" });
    this.links = el("div", { class: "links" });
    this.larger = button("Large view", () => this.enlarge());
    this.stop = button("Cancel", () => can.cancel());
    this.retry = button("Try again", () => can.retry());
    this.remove = button("Remove", () => can.remove());
    this.remove.className = "plain remove"; // of one alone the set has the same
    const actions = el("div", { class: "row actions" }, this.links, this.larger, this.retry);
    actions.append(this.stop, this.remove);
    for (const each of [this.larger, this.stop, this.retry, this.remove])
      each.setAttribute("aria-label", `${each.textContent}: ${item.name}`);
    const head = el("div", { class: "row head" }, this.title, this.chip);
    const progress = el("div", { class: "progress" }, this.bar, this.note);
    const about = el("div", { class: "about" }, head, this.facts, progress, this.problem, actions);
    this.progress = progress;
    this.node = el("li", { class: "card panel" }, this.view, about);
    this.update();
  }

  /** Show the item as it is now. */
  update() {
    const { item } = this;
    const focused = this.node.contains(document.activeElement) ? document.activeElement : null;
    const [word, kind] = state(item);
    const ended = ENDED.has(item.state);
    const gone = item.state === "done" && !item.task.url;
    say(this.chip, gone ? "no longer kept" : word);
    this.chip.className = `chip ${gone ? "" : kind}`;
    this.node.dataset.state = item.state;
    say(this.facts, facts(item));
    this.progress.hidden = ended && !item.note;
    this.bar.hidden = ended;
    this.fraction();
    say(this.note, standing(item));
    this.problem.hidden = !item.problem || item.state !== "failed";
    if (!this.problem.hidden) this.tell(item.problem);
    this.stop.hidden = ended;
    this.retry.hidden = !["failed", "cancelled"].includes(item.state) && !gone;
    this.remove.hidden = !ended;
    this.larger.hidden = item.state !== "done" || gone;
    this.show();
    // What had the focus may be gone with its moment; the keyboard goes on from here.
    if (focused && !focused.checkVisibility()) this.title.focus();
  }

  fraction() {
    const { item } = this;
    const share = item.state === "sending" ? item.sent : (item.task?.progress ?? 0) / 100;
    if (item.state === "waiting" || item.note) this.bar.removeAttribute("value");
    else this.bar.value = share ?? 0;
  }

  /** Show a refusal as the API says it. @param {any} problem */
  tell(problem) {
    const more = Object.entries(problem).filter(([name, v]) => !TOLD.has(name) && v !== null);
    const code = el("p", { class: "code" }, problem.code);
    for (const [name, value] of more) {
      const plain = typeof value !== "object" || Array.isArray(value);
      code.append(` · ${name}: ${plain ? [value].flat().join(", ") : JSON.stringify(value)}`);
    }
    this.problem.replaceChildren(el("p", { text: problem.detail }), code);
  }

  /** Show the pictures: once for each state of things, as it costs. */
  show() {
    const { item } = this;
    const done = item.state === "done" && item.task.url;
    const results = done ? item.task.results.map((result) => result.url).join() : "";
    const refused = item.state === "failed" && !item.task;
    const now = refused ? "refused" : `original ${results}`;
    if (now === this.shown) return;
    this.shown = now;
    this.links.replaceChildren(...(done ? downloads(item) : []));
    this.picture().then((node) => {
      if (now === this.shown) this.view.replaceChildren(...(node ? [node] : []));
    });
  }

  /** @returns {Promise<HTMLElement|null>} what there is to see */
  async picture() {
    const { item } = this;
    this.original ??= this.can.file().then((file) => (file ? URL.createObjectURL(file) : ""));
    if (item.state === "failed" && !item.task) return null; // hardly a picture at all
    const url = await this.original;
    const before = url ? await measure(url) : null;
    if (item.state !== "done" || !item.task.url)
      return before && el("img", { class: "plain", src: before.url, alt: "" });
    const after = item.task.results.filter((result) => result.url);
    if (before && after.length === 1 && comparable(before, after[0], item.task.operations))
      return slider(before, after[0], item.name);
    return pair(before, after, item.name);
  }

  async enlarge() {
    const content = await this.picture();
    if (content) enlarge(this.item.name, content);
  }

  /** Let go of what the browser holds for it. */
  close() {
    this.original?.then((url) => url && URL.revokeObjectURL(url));
    this.node.remove();
  }
}

/** @param {Item} item */
function facts(item) {
  const { task } = item;
  const results = item.state === "done" ? task.results : [];
  if (!results.length) return size(item.size);
  const took = (Date.parse(task.finished_at) - Date.parse(task.started_at)) / 1000;
  const bytes = results.reduce((sum, each) => sum + each.bytes, 0);
  const what = results.length > 1 ? `${results.length} pictures` : sides(results[0]);
  const notes = results.flatMap((each) => each.notes ?? []);
  const format = results[0].format.toUpperCase();
  const made = `${what}, ${format}, ${size(bytes)} (was ${size(item.size)})`;
  const done = Number.isFinite(took) ? `, done in ${duration(took)}` : "";
  return [made + done, ...new Set(notes)].join(" · ");
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
      const first = results.length > 1 ? "button" : "button first";
      return el("a", { class: first, href, download: result.name, text, "aria-label": label });
    });
}

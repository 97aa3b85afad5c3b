/** Pictures that were started together: their progress, and actions on all of them. */

import { ApiError, callApi, withRetries } from "./api.js";
import { PictureCard } from "./picture-card.js";
import { el, setText } from "./dom.js";
import { makeEmailForm } from "./email-form.js";
import { openLightbox } from "./lightbox.js";
import { STATES, isFinal, shareOf, withTimeLeft } from "./picture-states.js";
import { retried, retryText } from "./retry.js";
import { describeOperations, formatDate } from "./format.js";
import { t } from "./text.js";

/** @typedef {import("./picture-list.js").Item} Item */

/** @param {Item} item */
const outcome = (item) => STATES[item.state].outcome;

export class PictureSet {
  /**
   * @param {Item} first
   * @param {import("./picture-list.js").PictureList} pictures
   * @param {import("./upload-queue.js").UploadQueue} queue
   * @param {import("./alternatives.js").Alternatives} alternatives
   */
  constructor(first, pictures, queue, alternatives) {
    this.pictures = pictures;
    this.queue = queue;
    this.alternatives = alternatives;
    /** @type {Map<Item, PictureCard|null>} null until the set is opened */
    this.cards = new Map();
    this.checking = false;
    const button = (text, onclick) => el("button", { type: "button", text, onclick });
    const title = describeOperations(first.operations, first.format);
    this.title = el("h2", { text: title });
    this.chip = el("span", { class: "chip" });
    this.counts = el("span", { class: "quiet small" });
    this.startedAt = formatDate(first.added);
    const line = el("span", { class: "row" }, this.title, this.chip, this.counts);
    this.summary = el("summary", {}, line);
    this.bar = el("progress", { max: "1", "aria-label": t("set.progress", { title }) });
    this.left = el("p", { class: "small note" });
    this.zip = button(t("set.zip"), () => this.downloadZip());
    this.zip.className = "primary";
    this.mail = makeEmailForm((email) => this.makeGroup(email));
    this.stop = button(t("set.cancel"), () => this.forEach((item) => queue.cancel(item)));
    this.retry = button(t("action.retry"), () => this.retryFailed());
    this.reuse = button(t("set.reuse"), () => this.forEach((item) => pictures.addAgain(item)));
    this.reuse.title = t("set.reuse_hint");
    this.removeAll = button(t("action.remove"), () => pictures.remove(this.items));
    this.removeAll.className = "plain";
    this.problem = el("div", { class: "problem", role: "alert", hidden: true });
    this.progress = el("div", { class: "progress" }, this.bar, this.left);
    const { zip, mail, retry, stop, reuse, removeAll } = this;
    this.actions = el("div", { class: "row actions" }, zip, mail.open, retry, stop, reuse, removeAll);
    this.list = el("ul", { class: "cards" });
    const inside = [this.progress, this.actions, this.mail.form, this.problem, this.list];
    this.node = el("details", { class: "set" }, this.summary, ...inside);
    this.node.addEventListener("toggle", () => this.renderCards());
  }

  get items() {
    return [...this.cards.keys()];
  }

  /** Whether one of its pictures has not ended. */
  get busy() {
    return !this.items.every(isFinal);
  }

  /** @param {(item: Item) => void} act */
  forEach(act) {
    this.items.forEach(act);
  }

  retryFailed() {
    retried(this.items).forEach((item) => this.queue.retry(item));
  }

  /** Show a change of one of its pictures. @param {Item} item @param {boolean} removed */
  update(item, removed) {
    const card = this.cards.get(item);
    if (removed) {
      const next = card?.node.nextElementSibling ?? card?.node.previousElementSibling;
      if (card?.node.contains(document.activeElement)) next?.querySelector("h3").focus();
      card?.close();
      this.cards.delete(item);
    } else if (card) card.update();
    else if (!this.cards.has(item)) this.cards.set(item, null);
    this.renderCards();
    this.summarize();
  }

  /** Create the cards once the set is open, since each card keeps images in memory. */
  renderCards() {
    if (!this.node.open) return;
    for (const [item, card] of this.cards) {
      if (card) continue;
      const callbacks = {
        file: () => this.pictures.history.file(item.id),
        cancel: () => this.queue.cancel(item),
        retry: () => this.queue.retry(item),
        remove: () => this.pictures.remove([item]),
        enlarge: () => this.enlarge(item),
      };
      const made = new PictureCard(item, callbacks, this.alternatives);
      this.cards.set(item, made);
      this.list.append(made.node);
    }
    this.node.classList.toggle("solo", this.cards.size === 1);
    this.checkResults();
  }

  /** Show a picture in the large view, and from there the other finished ones. @param {Item} item */
  enlarge(item) {
    const done = this.items.filter((each) => each.state === "done");
    const shown = done.map((each) => ({
      title: each.name,
      make: (options) => this.cards.get(each)?.preview(options) ?? Promise.resolve(null),
    }));
    openLightbox(shown, done.indexOf(item));
  }

  /** Check one by one whether results of earlier visits are still stored. */
  async checkResults() {
    if (this.checking) return;
    this.checking = true;
    const old = (item) => outcome(item) === "done" && !this.pictures.checked.has(item.id);
    for (let item; (item = this.items.find(old)); ) await this.queue.refresh(item);
    this.checking = false;
  }

  summarize() {
    const { items } = this;
    const count = (name) => items.filter((item) => outcome(item) === name).length;
    const [open, done, failed] = [count(""), count("done"), count("failed")];
    const ended = items.length - open;
    const several = items.length > 1;
    const whole = open ? "working" : done === items.length ? "done" : failed ? "failed" : "cancelled";
    const state = STATES[whole];
    setText(this.chip, state.outcome === "failed" ? t("set.failed", { count: failed }) : t(state.label));
    this.chip.className = `chip ${state.chip}`;
    setText(this.counts, t("set.pictures", { count: items.length, date: this.startedAt }));
    this.progress.hidden = !open || !several;
    this.bar.value = items.reduce((sum, item) => sum + shareOf(item), 0) / (items.length || 1);
    const eta = Math.max(0, ...items.map((item) => item.eta ?? 0));
    setText(this.left, withTimeLeft(t("set.finished", { ended, total: items.length }), eta));
    const stored = items.filter((item) => item.state === "done");
    const results = stored.reduce((sum, item) => sum + item.task.results.length, 0);
    this.zip.hidden = open > 0 || results < 2;
    this.mail.open.hidden = open > 0 || !stored.length;
    this.mail.form.hidden ||= this.mail.open.hidden;
    this.stop.hidden = !open || !several;
    const again = retried(items);
    this.retry.hidden = open > 0 || !several || !again.length;
    setText(this.retry, retryText(again));
    this.reuse.hidden = this.removeAll.hidden = open > 0;
    return { open, ended, done, failed };
  }

  /**
   * Make a group of its tasks, for a zip archive or an e-mail.
   * @param {string} [email]
   */
  makeGroup(email) {
    const accepted = this.items.filter((item) => item.task);
    const tasks = accepted.map(({ task }) => ({ task_id: task.task_id, name: task.name }));
    return withRetries(() => callApi("POST", "/groups", { tasks, email }), (note) => this.showMessage(note));
  }

  async downloadZip() {
    this.showMessage("");
    try {
      const { archive_url: url } = await this.makeGroup();
      if (url) el("a", { href: url, download: true }).click();
      else this.showMessage(t("set.gone"));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.showMessage(error.message);
    }
  }

  /** @param {string} text */
  showMessage(text) {
    this.problem.hidden = !text;
    setText(this.problem, text);
  }

  close() {
    this.cards.forEach((card) => card?.close());
    this.node.remove();
  }
}

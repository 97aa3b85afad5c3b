/** Pictures that were started together: their progress, and actions on all of them. */

import { ApiError, callApi, withRetries } from "./api.js";
import { PictureCard } from "./picture-card.js";
import { el, setText } from "./dom.js";
import { makeEmailForm } from "./email-form.js";
import { ENDED } from "./picture-list.js";
import { describeOperations, formatDuration, plural } from "./format.js";

/** @typedef {import("./picture-list.js").Item} Item */

const DATE_FORMAT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

export class PictureSet {
  /**
   * @param {Item} first
   * @param {import("./picture-list.js").PictureList} pictures
   * @param {import("./upload-queue.js").UploadQueue} queue
   */
  constructor(first, pictures, queue) {
    this.pictures = pictures;
    this.queue = queue;
    /** @type {Map<Item, PictureCard|null>} null until the set is opened */
    this.cards = new Map();
    this.checking = false;
    const button = (text, onclick) => el("button", { type: "button", text, onclick });
    const title = describeOperations(first.operations) + (first.format ? `, as ${first.format}` : "");
    this.title = el("h2", { text: title });
    this.chip = el("span", { class: "chip" });
    this.counts = el("span", { class: "quiet small" });
    this.startedAt = DATE_FORMAT.format(first.added);
    const line = el("span", { class: "row" }, this.title, this.chip, this.counts);
    this.summary = el("summary", {}, line);
    this.bar = el("progress", { max: "1", "aria-label": `Progress of all: ${title}` });
    this.left = el("p", { class: "small note" });
    this.zip = button("Download all (zip)", () => this.downloadZip());
    this.zip.className = "primary";
    this.mail = makeEmailForm((email) => this.makeGroup(email));
    this.stop = button("Cancel all", () => this.forEach((item) => queue.cancel(item)));
    this.retry = button("Retry", () => this.retryFailed());
    this.reuse = button("Use again", () => this.forEach((item) => pictures.addAgain(item)));
    this.reuse.title = "Choose the same pictures again for other operations";
    this.removeAll = button("Remove", () => pictures.remove(this.items));
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
    return this.items.some((item) => !ENDED.has(item.state));
  }

  /** @param {(item: Item) => void} act */
  forEach(act) {
    this.items.forEach(act);
  }

  retryFailed() {
    const failed = this.items.filter((item) => ["failed", "cancelled"].includes(item.state));
    failed.forEach((item) => this.queue.retry(item));
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
      const made = new PictureCard(item, {
        file: () => this.pictures.history.file(item.id),
        cancel: () => this.queue.cancel(item),
        retry: () => this.queue.retry(item),
        remove: () => this.pictures.remove([item]),
      });
      this.cards.set(item, made);
      this.list.append(made.node);
    }
    this.node.classList.toggle("solo", this.cards.size === 1);
    this.checkResults();
  }

  /** Check one by one whether results of earlier visits are still stored. */
  async checkResults() {
    if (this.checking) return;
    this.checking = true;
    const old = (item) => item.state === "done" && !this.pictures.checked.has(item.id);
    for (let item; (item = this.items.find(old)); ) await this.queue.refresh(item);
    this.checking = false;
  }

  summarize() {
    const { items } = this;
    const done = items.filter((item) => item.state === "done");
    const failed = items.filter((item) => item.state === "failed").length;
    const ended = items.filter((item) => ENDED.has(item.state)).length;
    const open = items.length - ended;
    const several = items.length > 1;
    const failedText = failed ? `${failed} failed` : "cancelled";
    const [word, kind] = open
      ? ["running", "wait"]
      : done.length === items.length
        ? ["done", "good"]
        : [failedText, failed ? "bad" : ""];
    setText(this.chip, word);
    this.chip.className = `chip ${kind}`;
    setText(this.counts, `${plural(items.length, "picture")}, ${this.startedAt}`);
    this.progress.hidden = !open || !several;
    this.bar.value = items.reduce((sum, item) => sum + fraction(item), 0) / (items.length || 1);
    const left = Math.max(0, ...items.map((item) => item.eta ?? 0));
    const about = left >= 1 ? `, about ${formatDuration(left)} left` : "";
    setText(this.left, `${ended} of ${items.length} finished${about}`);
    const stored = done.filter((item) => item.task.url);
    const results = stored.reduce((sum, item) => sum + item.task.results.length, 0);
    this.zip.hidden = open > 0 || results < 2;
    this.mail.open.hidden = open > 0 || !stored.length;
    this.mail.form.hidden ||= this.mail.open.hidden;
    this.stop.hidden = !open || !several;
    this.retry.hidden = open > 0 || !several || ended === done.length;
    const retryable = ended - done.length;
    const which = failed === retryable ? " failed" : failed ? "" : " cancelled";
    setText(this.retry, `Retry ${retryable}${which}`);
    this.reuse.hidden = this.removeAll.hidden = open > 0;
    return { open, ended, done: done.length, failed };
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
      else this.showMessage("the results of these pictures are no longer stored");
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

/** The progress of a picture from upload to result, 0 to 1. @param {Item} item */
function fraction(item) {
  if (ENDED.has(item.state)) return 1;
  if (item.state === "sending") return 0.2 * (item.sent ?? 0);
  return item.state === "working" ? 0.2 + (0.8 * (item.task?.progress ?? 0)) / 100 : 0;
}

/** Pictures that were started together: how far all are, and what is done with them together. */

import { Problem, call, patiently } from "./api.js";
import { Card } from "./card.js";
import { el, say } from "./dom.js";
import { letter } from "./mail.js";
import { ENDED } from "./pictures.js";
import { count, duration, plan } from "./words.js";

/** @typedef {import("./pictures.js").Item} Item */

const WHEN = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

export class PictureSet {
  /**
   * @param {Item} first
   * @param {import("./pictures.js").Pictures} pictures
   * @param {import("./queue.js").Queue} queue
   */
  constructor(first, pictures, queue) {
    this.pictures = pictures;
    this.queue = queue;
    /** @type {Map<Item, Card|null>} null until it is looked at */
    this.cards = new Map();
    this.checking = false;
    const button = (text, onclick) => el("button", { type: "button", text, onclick });
    const title = plan(first.operations) + (first.format ? `, as ${first.format}` : "");
    this.title = el("h2", { text: title });
    this.chip = el("span", { class: "chip" });
    this.counts = el("span", { class: "quiet small" });
    this.when = WHEN.format(first.added);
    const line = el("span", { class: "row" }, this.title, this.chip, this.counts);
    this.summary = el("summary", {}, line);
    this.bar = el("progress", { max: "1", "aria-label": `Progress of all: ${title}` });
    this.left = el("p", { class: "small note" });
    this.zip = button("Download all (zip)", () => this.archive());
    this.zip.className = "first";
    this.mail = letter((email) => this.group(email));
    this.stop = button("Cancel all", () => this.each((item) => queue.cancel(item)));
    this.retry = button("Try again", () => this.again());
    this.reuse = button("Use again", () => this.each((item) => pictures.copy(item)));
    this.reuse.title = "Choose the same pictures again, to do something else to them";
    this.drop = button("Remove", () => pictures.forget(this.items));
    this.drop.className = "plain";
    this.trouble = el("div", { class: "problem", role: "alert", hidden: true });
    this.progress = el("div", { class: "progress" }, this.bar, this.left);
    const { zip, mail, retry, stop, reuse, drop } = this;
    this.actions = el("div", { class: "row actions" }, zip, mail.open, retry, stop, reuse, drop);
    this.list = el("ul", { class: "cards" });
    const inside = [this.progress, this.actions, this.mail.form, this.trouble, this.list];
    this.node = el("details", { class: "set" }, this.summary, ...inside);
    this.node.addEventListener("toggle", () => this.look());
  }

  get items() {
    return [...this.cards.keys()];
  }

  /** Whether something still happens to one of its pictures. */
  get busy() {
    return this.items.some((item) => !ENDED.has(item.state));
  }

  /** @param {(item: Item) => void} act */
  each(act) {
    this.items.forEach(act);
  }

  again() {
    const failed = this.items.filter((item) => ["failed", "cancelled"].includes(item.state));
    failed.forEach((item) => this.queue.retry(item));
  }

  /** Take up a change of one of its pictures. @param {Item} item @param {boolean} gone */
  take(item, gone) {
    const card = this.cards.get(item);
    if (gone) {
      const next = card?.node.nextElementSibling ?? card?.node.previousElementSibling;
      if (card?.node.contains(document.activeElement)) next?.querySelector("h3").focus();
      card?.close();
      this.cards.delete(item);
    } else if (card) card.update();
    else if (!this.cards.has(item)) this.cards.set(item, null);
    this.look();
    this.overall();
  }

  /** Make the cards, once somebody looks: each holds pictures in memory. */
  look() {
    if (!this.node.open) return;
    for (const [item, card] of this.cards) {
      if (card) continue;
      const made = new Card(item, {
        file: () => this.pictures.history.file(item.id),
        cancel: () => this.queue.cancel(item),
        retry: () => this.queue.retry(item),
        remove: () => this.pictures.forget([item]),
      });
      this.cards.set(item, made);
      this.list.append(made.node);
    }
    this.node.classList.toggle("solo", this.cards.size === 1);
    this.check();
  }

  /** Ask, one after the other, whether results of an earlier visit are still there. */
  async check() {
    if (this.checking) return;
    this.checking = true;
    const old = (item) => item.state === "done" && !this.pictures.known.has(item.id);
    for (let item; (item = this.items.find(old)); ) await this.queue.check(item);
    this.checking = false;
  }

  overall() {
    const { items } = this;
    const done = items.filter((item) => item.state === "done");
    const failed = items.filter((item) => item.state === "failed").length;
    const ended = items.filter((item) => ENDED.has(item.state)).length;
    const open = items.length - ended;
    const several = items.length > 1;
    const bad = failed ? `${failed} failed` : "cancelled";
    const [word, kind] = open
      ? ["in work", "wait"]
      : done.length === items.length
        ? ["done", "good"]
        : [bad, failed ? "bad" : ""];
    say(this.chip, word);
    this.chip.className = `chip ${kind}`;
    say(this.counts, `${count(items.length, "picture")}, ${this.when}`);
    this.progress.hidden = !open || !several;
    this.bar.value = items.reduce((sum, item) => sum + share(item), 0) / (items.length || 1);
    const left = Math.max(0, ...items.map((item) => item.eta ?? 0));
    const about = left >= 1 ? `, about ${duration(left)} left` : "";
    say(this.left, `${ended} of ${items.length} ended${about}`);
    const kept = done.filter((item) => item.task.url);
    const results = kept.reduce((sum, item) => sum + item.task.results.length, 0);
    this.zip.hidden = open > 0 || results < 2;
    this.mail.open.hidden = open > 0 || !kept.length;
    this.mail.form.hidden ||= this.mail.open.hidden;
    this.stop.hidden = !open || !several;
    this.retry.hidden = open > 0 || !several || ended === done.length;
    say(this.retry, `Try ${ended - done.length} again`);
    this.reuse.hidden = this.drop.hidden = open > 0;
    return { open, ended, done: done.length, failed };
  }

  /**
   * Make a group of its tasks, for an archive or a letter.
   * @param {string} [email]
   */
  group(email) {
    const there = this.items.filter((item) => item.task);
    const tasks = there.map(({ task }) => ({ task_id: task.task_id, name: task.name }));
    return patiently(() => call("POST", "/groups", { tasks, email }), (note) => this.tell(note));
  }

  async archive() {
    this.tell("");
    try {
      const { archive_url: url } = await this.group();
      if (url) el("a", { href: url, download: true }).click();
      else this.tell("no result of these pictures is kept any more");
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.tell(error.message);
    }
  }

  /** @param {string} text */
  tell(text) {
    this.trouble.hidden = !text;
    say(this.trouble, text);
  }

  close() {
    this.cards.forEach((card) => card?.close());
    this.node.remove();
  }
}

/** How much of the way to its result a picture has come, 0 to 1. @param {Item} item */
function share(item) {
  if (ENDED.has(item.state)) return 1;
  if (item.state === "sending") return 0.2 * (item.sent ?? 0);
  return item.state === "working" ? 0.2 + (0.8 * (item.task?.progress ?? 0)) / 100 : 0;
}

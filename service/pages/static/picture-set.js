/** Pictures that were started together: their progress, and actions on all of them. */

import { PictureCard } from "./picture-card.js";
import { el, setText } from "./dom.js";
import { openLightbox } from "./lightbox.js";
import { STATES, isFinal, withTimeLeft } from "./picture-states.js";
import { retried, retryText } from "./retry.js";
import { SetDownloads } from "./set-downloads.js";
import { SetProgress } from "./set-progress.js";
import { SetTable } from "./set-table.js";
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
    this.pace = new SetProgress();
    this.downloads = new SetDownloads(() => this.items, () => this.showChosen());
    this.stop = button(t("set.cancel"), () => this.items.forEach((item) => queue.cancel(item)));
    this.retry = button(t("action.retry"), () => retried(this.items).forEach((item) => queue.retry(item)));
    this.reuse = button(t("set.reuse"), () => this.items.forEach((item) => pictures.addAgain(item)));
    this.reuse.title = t("set.reuse_hint");
    this.removeAll = button(t("action.remove"), () => pictures.remove(this.items));
    this.removeAll.className = "plain";
    this.failedOnly = button("", () => this.filterFailed(!this.filtered));
    this.filtered = false;
    this.asTable = button(t("set.list"), () => this.setTable(!this.tabular));
    this.asTable.title = t("set.list_hint");
    const acts = { enlarge: (item) => this.enlarge(item), retry: (item) => queue.retry(item), cancel: (item) => queue.cancel(item) };
    this.table = new SetTable({ ...this.choices, ...acts });
    this.progress = el("div", { class: "progress" }, this.bar, this.left);
    const { retry, stop, reuse, removeAll, failedOnly, asTable, downloads } = this;
    const views = el("span", { class: "row views" }, failedOnly, asTable);
    this.actions = el("div", { class: "row actions" }, downloads.buttons, retry, stop, reuse, removeAll, views);
    this.list = el("ul", { class: "cards" });
    const inside = [this.progress, this.actions, ...downloads.details, this.list, this.table.node];
    this.node = el("details", { class: "set" }, this.summary, ...inside);
    this.node.addEventListener("toggle", () => this.renderCards());
    this.setTable(false);
  }

  /** How a card or row says whether it is chosen. */
  get choices() {
    return {
      isChosen: (item) => this.downloads.chosen.has(item),
      choose: (item, on) => this.downloads.choose(item, on),
    };
  }

  /** Show a table instead of cards. @param {boolean} tabular */
  setTable(tabular) {
    this.tabular = tabular;
    this.list.hidden = tabular;
    this.table.node.hidden = !tabular;
    this.asTable.setAttribute("aria-pressed", String(tabular));
    this.renderCards();
  }

  /** @param {boolean} filtered whether only failed pictures are shown */
  filterFailed(filtered) {
    this.filtered = filtered;
    this.node.classList.toggle("only-failed", filtered);
    this.failedOnly.setAttribute("aria-pressed", String(filtered));
    this.renderCards();
  }

  showChosen() {
    this.cards.forEach((card) => card?.showChosen());
    this.renderCards();
    this.downloads.update(this.busy);
  }

  get items() {
    return [...this.cards.keys()];
  }

  /** Whether one of its pictures has not ended. */
  get busy() {
    return !this.items.every(isFinal);
  }

  /** Show a change of one of its pictures. @param {Item} item @param {boolean} removed */
  update(item, removed) {
    const card = this.cards.get(item);
    if (removed) {
      const next = card?.node.nextElementSibling ?? card?.node.previousElementSibling;
      if (card?.node.contains(document.activeElement)) next?.querySelector("h3").focus();
      card?.close();
      this.cards.delete(item);
      this.downloads.chosen.delete(item);
    } else if (card) card.update();
    else if (!this.cards.has(item)) this.cards.set(item, null);
    this.renderCards();
    this.summarize();
  }

  /** Create the cards once the set is open and shows them, since each card keeps images in memory. */
  renderCards() {
    if (!this.node.open) return;
    if (this.tabular) this.table.show(this.filtered ? this.items.filter((item) => outcome(item) === "failed") : this.items);
    else for (const [item, card] of this.cards) if (!card?.node.parentNode) this.list.append(this.cardOf(item).node);
    this.node.classList.toggle("solo", this.cards.size === 1);
    this.checkResults();
  }

  /** @param {Item} item @returns {PictureCard} its card, made if there is none yet */
  cardOf(item) {
    const callbacks = {
      file: () => this.pictures.history.file(item.id),
      cancel: () => this.queue.cancel(item),
      retry: () => this.queue.retry(item),
      remove: () => this.pictures.remove([item]),
      enlarge: () => this.enlarge(item),
      ...this.choices,
    };
    const card = this.cards.get(item) ?? new PictureCard(item, callbacks, this.alternatives);
    this.cards.set(item, card);
    return card;
  }

  /** Show a picture in the large view, and from there the other finished ones. @param {Item} item */
  enlarge(item) {
    const done = this.items.filter((each) => each.state === "done");
    const shown = done.map((each) => ({
      title: each.name,
      make: (options) => this.cardOf(each).preview(options),
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
    const { share, left } = this.pace.of(items);
    this.bar.value = share;
    setText(this.left, withTimeLeft(t("set.so_far", { percent: Math.floor(100 * share), ended, total: items.length }), left));
    this.downloads.update(open > 0);
    this.asTable.hidden = !several;
    this.failedOnly.hidden = !several || (!failed && !this.filtered);
    setText(this.failedOnly, t("set.only_failed", { count: failed }));
    this.stop.hidden = !open || !several;
    const again = retried(items);
    this.retry.hidden = open > 0 || !several || !again.length;
    setText(this.retry, retryText(again));
    this.reuse.hidden = this.removeAll.hidden = open > 0;
    return { open, ended, done, failed };
  }

  close() {
    this.cards.forEach((card) => card?.close());
    this.node.remove();
  }
}

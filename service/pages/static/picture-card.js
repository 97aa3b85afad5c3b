/** The card of one picture: progress, result, error and actions. */

import { canCompare, loadSize, makePair } from "./pair.js";
import { el, setText } from "./dom.js";
import { whenNear } from "./near-window.js";
import { STATES, progressText } from "./picture-states.js";
import { describeProblem } from "./problem.js";
import { canRetry } from "./retry.js";
import { chooseBox } from "./set-table.js";
import { describeOperations, formatDimensions, formatDuration, formatSize, formatSource, secondsBetween } from "./format.js";
import { t, tApi, tWord } from "./text.js";
import { Viewer } from "./viewer.js";

/** @typedef {import("./picture-list.js").Item} Item */

export class PictureCard {
  /**
   * @param {Item} item
   * @param {{file: () => Promise<Blob|undefined>, cancel: () => void, retry: () => void, remove: () => void,
   *   enlarge: () => void, isChosen: (item: Item) => boolean, choose: (item: Item, on: boolean) => void}} callbacks
   *   `enlarge`: show the large view; `choose`: for a download together with others
   * @param {import("./alternatives.js").Alternatives} alternatives
   */
  constructor(item, callbacks, alternatives) {
    this.item = item;
    this.alternatives = alternatives;
    this.callbacks = callbacks;
    /** @type {Promise<string>|null} URL of the original; "" if it is gone */
    this.original = null;
    this.shownState = "";
    this.shownProblem = null;
    const button = (text, onclick) => el("button", { type: "button", text, onclick });
    this.view = el("div", { class: "view" });
    this.title = el("h3", { class: "title", tabindex: "-1", text: item.name });
    this.chip = el("span", { class: "chip" });
    this.facts = el("p", { class: "facts quiet small" });
    this.bar = el("progress", { max: "1", "aria-label": t("progress.of", { name: item.name }) });
    this.note = el("p", { class: "note small" });
    this.problem = el("div", { class: "problem" });
    this.links = el("div", { class: "links" });
    this.others = el("p", { class: "others row small", hidden: true });
    this.lightboxButton = button(t("card.large"), () => callbacks.enlarge());
    this.cancelButton = button(t("action.cancel"), () => callbacks.cancel());
    this.retryButton = button(t("action.retry"), () => callbacks.retry());
    this.removeButton = button(t("action.remove"), () => callbacks.remove());
    this.removeButton.className = "plain remove"; // hidden in a set of one, which has the same button
    const buttons = el("div", { class: "row actions" }, this.links, this.lightboxButton, this.retryButton);
    buttons.append(this.cancelButton, this.removeButton);
    for (const each of [this.lightboxButton, this.cancelButton, this.retryButton, this.removeButton])
      each.setAttribute("aria-label", t("text.labelled", { label: each.textContent, text: item.name }));
    this.box = chooseBox(item, callbacks); // hidden in a set of one
    const head = el("div", { class: "row head" }, this.box, this.title, this.chip);
    const progress = el("div", { class: "progress" }, this.bar, this.note);
    const about = el("div", { class: "about" }, head, this.facts, progress, this.problem, buttons, this.others);
    this.progress = progress;
    this.node = el("li", { class: "card panel" }, this.view, about);
    this.update();
  }

  /** Whether it was not accepted, probably because it is not an image. */
  get refused() {
    return this.item.state === "failed" && !this.item.task;
  }

  /** Show the item as it is now. */
  update() {
    const { item } = this;
    const state = STATES[item.state];
    const shows = (part) => state.shows.includes(part);
    const focused = this.node.contains(document.activeElement) ? document.activeElement : null;
    setText(this.chip, t(item.note ? state.held : state.label));
    this.chip.className = `chip ${state.chip}`;
    this.node.dataset.state = item.state;
    setText(this.facts, shows("result") ? describeResult(item) : formatSource(item));
    this.progress.hidden = !shows("bar") && !item.note;
    this.bar.hidden = !shows("bar");
    if (item.note || !state.share) this.bar.removeAttribute("value");
    else this.bar.value = state.share(item);
    setText(this.note, progressText(item));
    this.problem.hidden = !item.problem || !shows("problem");
    if (!this.problem.hidden && this.shownProblem !== item.problem)
      this.problem.replaceChildren(...describeProblem((this.shownProblem = item.problem)));
    this.cancelButton.hidden = !shows("cancel");
    this.retryButton.hidden = !canRetry(item);
    this.removeButton.hidden = !shows("remove");
    this.box.hidden = this.lightboxButton.hidden = !shows("large");
    this.showOffers();
    this.showPictures();
    // If the focused element was hidden, move the focus to the title.
    if (focused && !focused.checkVisibility()) this.title.focus();
  }

  /** Show the images, again only if something changed, since that costs time. */
  showPictures() {
    const { item } = this;
    const done = item.state === "done";
    const results = done ? item.task.results.map((result) => result.url).join() : "";
    const now = this.refused ? "refused" : `original ${results}`;
    if (now === this.shownState) return;
    this.shownState = now;
    this.links.replaceChildren(...(done ? downloads(item) : []));
    whenNear(this.node, async () => {
      const made = await this.preview();
      const node = made instanceof Viewer ? made.node : made;
      if (now === this.shownState) this.view.replaceChildren(...(node ? [node] : []));
    });
  }

  showChosen() {
    this.box.checked = this.callbacks.isChosen(this.item);
  }

  /** Offer the qualities of upscale that this picture has not been made in. */
  showOffers() {
    const offers = this.item.state === "done" ? this.alternatives.offers(this.item) : [];
    this.others.hidden = !offers.length;
    if (this.others.dataset.offers === offers.join()) return;
    this.others.dataset.offers = offers.join();
    const make = async (quality) => {
      await this.alternatives.make(this.item, quality);
      this.showOffers();
    };
    const buttons = offers.map((quality) => el("button", { type: "button", text: tWord("value", quality), onclick: () => make(quality) }));
    this.others.replaceChildren(el("span", { class: "quiet", text: t("card.others") }), ...buttons);
  }

  /**
   * @param {object} [options] of a viewer
   * @returns {Promise<Viewer|HTMLElement|null>} the original, or its comparison with the result
   */
  async preview(options) {
    const { item } = this;
    this.original ??= this.callbacks.file().then((file) => (file ? URL.createObjectURL(file) : ""));
    if (this.refused) return null;
    const url = await this.original;
    const before = url ? await loadSize(url) : null;
    if (item.state !== "done") return before && el("img", { class: "plain", src: before.url, alt: "" });
    const after = item.task.results.filter((result) => result.url);
    if (before && after.length === 1 && canCompare(before, after[0], item.task.operations)) {
      const versions = this.versions(before, after[0]);
      return new Viewer(versions, item.name, { left: this.alternatives.leftOf(item, versions), ...options });
    }
    return makePair(before, after, item.name);
  }

  /** The original, its result and other results of it, as a viewer takes them. */
  versions(before, after) {
    const others = this.alternatives.of(this.item, after);
    const label = others.length ? describeOperations(this.item.operations, this.item.format) : t("compare.after");
    return [{ ...before, label: t("compare.before") }, { ...after, label }, ...others];
  }

  /** Release its object URL and remove it. */
  close() {
    this.original?.then((url) => url && URL.revokeObjectURL(url));
    this.node.remove();
  }
}

/** @param {Item} item */
function describeResult(item) {
  const { results, started_at: start, finished_at: end } = item.task;
  const values = {
    picture: results.length > 1 ? t("unit.pictures", { count: results.length }) : formatDimensions(results[0]),
    format: tWord("value", results[0].format),
    size: formatSize(results.reduce((sum, each) => sum + each.bytes, 0)),
    before: formatSource(item),
  };
  const took = secondsBetween(start, end);
  const summary = Number.isFinite(took)
    ? t("card.result_in", { ...values, time: formatDuration(took) })
    : t("card.result", values);
  return [summary, ...new Set(results.flatMap((each) => each.notes ?? []).map((note) => tApi(note).text))].join(" · ");
}

/** @param {Item} item */
function downloads(item) {
  const { results } = item.task;
  return results
    .filter((result) => result.url)
    .map((result, at) => {
      const text = results.length > 1 ? t("card.download_part", { number: at + 1 }) : t("card.download");
      const href = `${result.url}?download=1`;
      const label = t("text.labelled", { label: text, text: result.name });
      const first = results.length > 1 ? "button" : "button primary";
      return el("a", { class: first, href, download: result.name, text, "aria-label": label });
    });
}

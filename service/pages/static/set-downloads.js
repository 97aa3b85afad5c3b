/** What can be done with the results of a set, or with those that were chosen in it: a zip file, an e-mail, a link. */

import { ApiError, callApi, withRetries } from "./api.js";
import { byId, el, setText } from "./dom.js";
import { makeEmailForm } from "./email-form.js";
import { t } from "./text.js";

/** @typedef {import("./picture-list.js").Item} Item */

/** Whether results need a key, so that a link for others has to be signed. */
const KEYS = "keys" in byId("upload-form").dataset;

const resultsOf = (items) => items.reduce((sum, item) => sum + item.task.results.length, 0);

export class SetDownloads {
  /** @param {() => Item[]} items all of the set @param {() => void} changed called when others are chosen */
  constructor(items, changed) {
    this.all = items;
    this.changed = changed;
    /** @type {Set<Item>} */
    this.chosen = new Set();
    this.zip = el("button", { type: "button", class: "primary", onclick: () => this.attempt(() => this.downloadZip()) });
    this.mail = makeEmailForm((email) => this.makeGroup(email));
    this.share = el("button", { type: "button", text: t("set.share"), onclick: () => this.attempt(() => this.showLink()) });
    this.link = el("input", { class: "link", type: "url", readonly: true, hidden: true, "aria-label": t("set.link") });
    this.problem = el("div", { class: "problem", role: "alert", hidden: true });
    this.buttons = [this.zip, this.mail.open, this.share];
    this.details = [this.mail.form, this.link, this.problem];
  }

  /** The finished pictures that are meant: those that were chosen, or all. */
  get items() {
    const stored = this.all().filter((item) => item.state === "done");
    const chosen = stored.filter((item) => this.chosen.has(item));
    return chosen.length ? chosen : stored;
  }

  /** @param {Item} item @param {boolean} on */
  choose(item, on) {
    if (on) this.chosen.add(item);
    else this.chosen.delete(item);
    this.link.hidden = true; // it was for others
    this.changed();
  }

  /** @param {boolean} open whether pictures of the set have not ended */
  update(open) {
    const { items } = this;
    const some = items.some((item) => this.chosen.has(item));
    this.zip.hidden = (open && !some) || (resultsOf(items) < 2 && !some);
    setText(this.zip, some ? t("set.zip_chosen", { count: items.length }) : t("set.zip"));
    this.mail.open.hidden = (open && !some) || !items.length;
    this.mail.form.hidden ||= this.mail.open.hidden;
    this.share.hidden = !KEYS || this.mail.open.hidden;
    this.link.hidden ||= this.share.hidden;
  }

  /**
   * Make a group of the tasks, for a zip archive or an e-mail.
   * @param {string} [email]
   */
  makeGroup(email) {
    const some = this.items.some((item) => this.chosen.has(item));
    // Of all pictures also those that failed: the archive says why.
    const accepted = some ? this.items : this.all().filter((item) => item.task);
    const tasks = accepted.map(({ task }) => ({ task_id: task.task_id, name: task.name }));
    return withRetries(() => callApi("POST", "/groups", { tasks, email }), (note) => this.showMessage(note));
  }

  async downloadZip() {
    const { archive_url: url } = await this.makeGroup();
    if (url) el("a", { href: url, download: true }).click();
    else this.showMessage(t("set.gone"));
  }

  /** Show a link that opens the results without a key: of one result itself, of several their archive. */
  async showLink() {
    const { items } = this;
    const [first] = items;
    const path = resultsOf(items) === 1 ? first.task.results[0].url : `/status/${(await this.makeGroup()).group_id}/archive`;
    const notify = (note) => this.showMessage(note);
    const { url } = await withRetries(() => callApi("POST", `${path}/link`), notify);
    this.link.value = new URL(url, location.href).href; // by the name that this person reaches the service by
    this.link.hidden = false;
    this.link.select();
    await navigator.clipboard?.writeText(this.link.value).catch(() => {}); // where a browser allows it
  }

  /** @param {() => Promise<void>} act */
  async attempt(act) {
    this.showMessage("");
    try {
      await act();
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
}

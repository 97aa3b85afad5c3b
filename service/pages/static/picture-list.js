/** The pictures of this page and their states; notifies views and saves to the history store. */

import { nameOf } from "./link-input.js";
import { STATES, stateOf } from "./picture-states.js";

/**
 * @typedef {object} Item one picture
 * @property {string} id
 * @property {string} name of the file, as chosen
 * @property {number} size in bytes; 0 for a link
 * @property {string} [link] from which the server fetches it, in place of a file
 * @property {number} added time in ms since 1970; unique and increasing
 * @property {string} state in STATES
 * @property {string} [set] id of the set it was started in
 * @property {{op: string}[]} [operations]
 * @property {string} [format] of the result
 * @property {string} [quality] of the file, as the API takes it
 * @property {string} [metadata] which of it the result keeps
 * @property {string} [beside] id of the picture to compare its result with
 * @property {any} [task] document of the API
 * @property {any} [problem] why it failed, a problem document
 * @property {number} [sent] share of the upload, 0 to 1; not stored
 * @property {number} [took] seconds of the upload
 * @property {string} [note] reason for waiting; not stored
 * @property {number|null} [position] tasks ahead of it; not stored
 * @property {number|null} [eta] seconds; not stored
 */

const TRANSIENT = { sent: 0, note: "", position: null, eta: null };

/** @param {Item} item */
const isUnsent = (item) => STATES[item.state].by === "upload";

export class PictureList {
  /** @param {import("./history-store.js").HistoryStore} history */
  constructor(history) {
    this.history = history;
    /** @type {Map<string, Item>} */
    this.items = new Map();
    /** @type {((item: Item, removed: boolean) => void)[]} */
    this.listeners = [];
    this.lastAdded = 0;
    /** @type {Set<string>} ids of pictures whose task was loaded in this visit */
    this.checked = new Set();
  }

  /** Load the pictures of earlier visits. */
  async restore() {
    for (const item of await this.history.loadAll()) {
      this.lastAdded = Math.max(this.lastAdded, item.added);
      this.items.set(item.id, item);
      this.notify(item);
    }
  }

  /**
   * Reload unsent pictures, which other tabs may have sent. Call only while no other tab sends:
   * a picture that is still "sending" was left by a closed tab, and is sent from the start.
   */
  async reloadUnsent() {
    const unsent = this.unsent();
    const records = await Promise.all(unsent.map((item) => this.history.record(item)));
    for (const [at, item] of unsent.entries()) {
      const record = records[at];
      if (!isUnsent(item)) continue; // cancelled in this tab meanwhile
      Object.assign(item, TRANSIENT, record);
      if (isUnsent(item)) item.state = "waiting";
      if (!record) this.items.delete(item.id);
      this.notify(item, !record);
    }
  }

  /** @returns {Item[]} the pictures that this or another tab has still to send */
  unsent() {
    return this.filter(isUnsent);
  }

  /** @param {(item: Item, removed: boolean) => void} listener called after each change */
  subscribe(listener) {
    this.listeners.push(listener);
  }

  /** @param {Item} item @param {boolean} [removed] */
  notify(item, removed = false) {
    this.listeners.forEach((listener) => listener(item, removed));
  }

  /**
   * @param {File} file
   * @param {Partial<Item>} [more] of the item; one that is not "chosen" starts at once, in a set of its own
   * @returns {Promise<Item>}
   */
  async add(file, more) {
    return this.insert({ name: file.name, size: file.size, ...more }, file);
  }

  /** @param {string} link @param {Partial<Item>} [more] as of `add` @returns {Promise<Item>} */
  async addLink(link, more) {
    return this.insert({ name: nameOf(link), size: 0, link, ...more });
  }

  /** @param {Partial<Item>} given @param {File} [file] @returns {Promise<Item>} */
  async insert(given, file) {
    this.lastAdded = Math.max(Date.now(), this.lastAdded + 1);
    const id = `${this.lastAdded}-${Math.random().toString(36).slice(2)}`;
    /** @type {Item} */
    const item = { id, added: this.lastAdded, state: "chosen", ...given };
    if (item.state !== "chosen") item.set = id;
    await this.history.put(item, file);
    this.items.set(id, item);
    this.notify(item);
    return item;
  }

  /** Add the original of an item again, if it is still stored. @param {Item} item */
  async addAgain(item) {
    if (item.link) return this.addLink(item.link);
    const file = await this.history.file(item.id);
    if (file) await this.add(new File([file], item.name, { type: file.type }));
  }

  /** @param {(item: Item) => boolean} condition @returns {Item[]} in the order they were added */
  filter(condition) {
    return [...this.items.values()].filter(condition);
  }

  /** Change an item without saving it. @param {Item} item @param {Partial<Item>} changes */
  update(item, changes) {
    Object.assign(item, changes);
    if (this.items.has(item.id)) this.notify(item);
  }

  /**
   * Change an item and save it.
   * @param {Item} item @param {Partial<Item>} changes
   * @returns {Promise<void>} resolves when it is saved
   */
  async save(item, changes) {
    Object.assign(item, TRANSIENT, changes);
    if (!this.items.has(item.id)) return;
    const { sent, note, position, eta, ...record } = item;
    const saved = this.history.put(record);
    this.notify(item);
    await saved;
  }

  /** Update an item from the task document of the API. @param {Item} item @param {any} body */
  async applyTask(item, body) {
    const { position = null, eta_seconds: eta = null, ...task } = body;
    const state = stateOf(task);
    this.checked.add(item.id);
    const same = state === item.state && task.status === item.task?.status;
    if (same) this.update(item, { task, position, eta, note: "" });
    else await this.save(item, { task, position, eta, state, problem: task.error });
  }

  /** @param {Item[]} items */
  remove(items) {
    for (const item of items) {
      this.items.delete(item.id);
      this.notify(item, true);
    }
    return this.history.remove(items.map((item) => item.id));
  }
}

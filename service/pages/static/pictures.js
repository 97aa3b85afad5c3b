/** The pictures of this page, and what becomes of each; views listen, the history remembers. */

/**
 * @typedef {"chosen"|"waiting"|"sending"|"working"|"done"|"failed"|"cancelled"} State
 *
 * @typedef {object} Item one picture
 * @property {string} id
 * @property {string} name of the file, as chosen
 * @property {number} size in bytes
 * @property {number} added when, in ms since 1970; later ones are larger
 * @property {State} state
 * @property {string} [set] the id of what it was started with
 * @property {{op: string}[]} [operations]
 * @property {string} [format] asked for the result
 * @property {any} [task] as the API last said it
 * @property {any} [problem] why it failed: a problem document
 * @property {number} [sent] share of the upload, 0 to 1; not kept
 * @property {string} [note] what is waited for; not kept
 * @property {number|null} [position] tasks before it; not kept
 * @property {number|null} [eta] seconds; not kept
 */

const STATES = { SUCCESS: "done", FAILURE: "failed", CANCELLED: "cancelled" };
const PASSING = { sent: 0, note: "", position: null, eta: null };

export const ENDED = new Set(["done", "failed", "cancelled"]);
export const UNSENT = new Set(["waiting", "sending"]);

export class Pictures {
  /** @param {import("./history.js").History} history */
  constructor(history) {
    this.history = history;
    /** @type {Map<string, Item>} */
    this.items = new Map();
    /** @type {((item: Item, gone: boolean) => void)[]} */
    this.listeners = [];
    this.last = 0;
    /** @type {Set<string>} ids of those the API spoke of in this visit */
    this.known = new Set();
  }

  /** Take up what the last visit left. */
  async restore() {
    for (const item of await this.history.all()) {
      this.last = Math.max(this.last, item.added);
      this.items.set(item.id, item);
      this.tell(item);
    }
  }

  /**
   * Take up what other tabs did meanwhile with what is to be sent. Only while none of them sends:
   * what is still said to be sent was left by a page that is gone, and is sent from its start.
   */
  async renew() {
    const open = this.which((item) => UNSENT.has(item.state));
    const records = await Promise.all(open.map((item) => this.history.record(item)));
    for (const [at, item] of open.entries()) {
      const record = records[at];
      if (!UNSENT.has(item.state)) continue; // cancelled meanwhile, here
      Object.assign(item, PASSING, record);
      if (item.state === "sending") item.state = "waiting";
      if (!record) this.items.delete(item.id);
      this.tell(item, !record);
    }
  }

  /** @param {(item: Item, gone: boolean) => void} listener called after each change */
  listen(listener) {
    this.listeners.push(listener);
  }

  /** @param {Item} item @param {boolean} [gone] */
  tell(item, gone = false) {
    this.listeners.forEach((listener) => listener(item, gone));
  }

  /** @param {File} file */
  async add(file) {
    this.last = Math.max(Date.now(), this.last + 1);
    const id = `${this.last}-${Math.random().toString(36).slice(2)}`;
    /** @type {Item} */
    const item = { id, name: file.name, size: file.size, added: this.last, state: "chosen" };
    await this.history.put(item, file);
    this.items.set(id, item);
    this.tell(item);
  }

  /** Choose the original of an item once more, if it is still here. @param {Item} item */
  async copy(item) {
    const file = await this.history.file(item.id);
    if (file) await this.add(new File([file], item.name, { type: file.type }));
  }

  /** @param {(item: Item) => boolean} true_ @returns {Item[]} in the order they were added */
  which(true_) {
    return [...this.items.values()].filter(true_);
  }

  /** Change what need not outlive the visit. @param {Item} item @param {Partial<Item>} changes */
  update(item, changes) {
    Object.assign(item, changes);
    if (this.items.has(item.id)) this.tell(item);
  }

  /**
   * Change what is remembered.
   * @param {Item} item @param {Partial<Item>} changes
   * @returns {Promise<void>} until it is remembered
   */
  async settle(item, changes) {
    Object.assign(item, PASSING, changes);
    if (!this.items.has(item.id)) return;
    const { sent, note, position, eta, ...record } = item;
    const kept = this.history.put(record);
    this.tell(item);
    await kept;
  }

  /** Note what the API says of the task of an item. @param {Item} item @param {any} said */
  async took(item, said) {
    const { position = null, eta_seconds: eta = null, ...task } = said;
    const state = STATES[task.status] ?? "working";
    this.known.add(item.id);
    const same = state === item.state && task.status === item.task?.status;
    if (same) this.update(item, { task, position, eta, note: "" });
    else await this.settle(item, { task, position, eta, state, problem: task.error });
  }

  /** @param {Item[]} items */
  forget(items) {
    for (const item of items) {
      this.items.delete(item.id);
      this.tell(item, true);
    }
    return this.history.forget(items.map((item) => item.id));
  }
}

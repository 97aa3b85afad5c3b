/** Sending pictures, a few at a time; and cancel and retry, wherever a picture is. */

import { Problem, call, patiently, upload } from "./api.js";
import { ENDED, UNSENT } from "./pictures.js";

// A browser opens six connections to a host: two send, two listen, one asks, one fetches pictures.
const AT_ONCE = 2;
const PATIENCE = 500; // ms until it is said that another tab sends

const MISSING = {
  status: 0,
  code: "original_missing",
  detail: "this browser no longer has the picture; choose it again",
};

/** @typedef {import("./pictures.js").Item} Item */

/**
 * Do `work` while no other tab of this page does; where a browser has no locks, as for http from
 * another host, or forbids them, tabs know nothing of each other.
 * @param {() => Promise<void>} work
 */
async function alone(work) {
  let begun = false;
  try {
    await navigator.locks.request("darkroom.queue", () => ((begun = true), work()));
  } catch (error) {
    if (begun) throw error;
    await work();
  }
}

export class Queue {
  /**
   * @param {import("./pictures.js").Pictures} pictures
   * @param {import("./watch.js").Watcher} watcher
   */
  constructor(pictures, watcher) {
    this.pictures = pictures;
    this.watcher = watcher;
    /** @type {Map<string, AbortController>} of what is being sent */
    this.sending = new Map();
    /** @type {""|"asked"|"ours"} whether it is the turn of this tab to send */
    this.turn = "";
    this.release = () => {};
    watcher.busy = () => this.sending.size > 0;
  }

  /** Send what waits to be sent, when it is the turn of this tab: two would send it twice. */
  async pump() {
    if (this.turn === "ours") return this.next();
    if (this.turn || !this.unsent().length) return;
    this.turn = "asked";
    const say = (item) => this.pictures.update(item, { note: "another tab is sending" });
    const slow = setTimeout(() => this.unsent().forEach(say), PATIENCE);
    await alone(async () => {
      clearTimeout(slow);
      await this.pictures.renew();
      this.watcher.watch(); // what another tab has sent
      const over = new Promise((release) => (this.release = release));
      this.turn = "ours";
      this.next();
      await over;
    });
  }

  /** @returns {Item[]} */
  unsent() {
    return this.pictures.which((item) => UNSENT.has(item.state));
  }

  next() {
    for (const item of this.pictures.which((each) => each.state === "waiting")) {
      if (this.sending.size >= AT_ONCE) return;
      this.send(item);
    }
    if (this.sending.size) return;
    this.turn = "";
    this.release();
  }

  /** @param {Item} item */
  async send(item) {
    const stop = new AbortController();
    this.sending.set(item.id, stop);
    this.pictures.settle(item, { state: "sending", problem: null });
    try {
      const said = await this.attempt(item, stop.signal);
      await this.pictures.took(item, said);
      if (stop.signal.aborted) await this.cancel(item);
    } catch (error) {
      await this.fail(item, error);
    }
    this.sending.delete(item.id);
    this.watcher.watch();
    this.pump();
  }

  /** @param {Item} item @param {AbortSignal} signal */
  async attempt(item, signal) {
    const file = await this.pictures.history.file(item.id);
    if (!file) throw new Problem(MISSING);
    const form = new FormData();
    form.append("operations", JSON.stringify(item.operations));
    if (item.format) form.append("format", item.format);
    form.append("image", file, item.name);
    const progress = (sent) => this.pictures.update(item, { sent, note: "" });
    const say = (note) => this.pictures.update(item, { note, sent: 0 });
    return patiently(() => upload("/process", form, progress, signal), say, signal);
  }

  /** @param {Item} item @param {any} error */
  async fail(item, error) {
    if (error instanceof Problem) {
      await this.pictures.settle(item, { state: "failed", problem: error.facts });
    } else if (error?.name === "AbortError") {
      await this.pictures.settle(item, { state: "cancelled", problem: null });
    } else {
      const detail = `this page failed: ${error}`;
      await this.pictures.settle(item, { state: "failed", problem: { code: "page", detail } });
    }
  }

  /** Stop whatever is done for a picture. @param {Item} item */
  async cancel(item) {
    if (ENDED.has(item.state)) return;
    if (item.state === "waiting") this.pictures.settle(item, { state: "cancelled" });
    else if (item.state === "sending") this.stop(item);
    else await this.ask(item, "DELETE", "");
  }

  /** Stop sending; of what is all sent the task is cancelled as soon as it is known. */
  stop(item) {
    const stop = this.sending.get(item.id);
    if (!stop) return; // another tab sends it: there it can be cancelled
    stop.abort();
    this.pictures.update(item, { note: "to be cancelled" });
  }

  /** Try a picture again that failed or was cancelled. @param {Item} item */
  async retry(item) {
    if (!item.task) return this.again(item);
    await this.ask(item, "POST", "/retry");
    this.watcher.watch();
  }

  /** Ask how a picture stands that was done in an earlier visit. @param {Item} item */
  async check(item) {
    this.pictures.known.add(item.id);
    await this.ask(item, "GET", "");
  }

  /** Send a picture anew. @param {Item} item */
  again(item) {
    this.pictures.settle(item, { state: "waiting", task: null, problem: null });
    this.pump();
  }

  /** @param {Item} item @param {string} method @param {string} what */
  async ask(item, method, what) {
    const path = `/tasks/${item.task.task_id}`;
    const name = `?name=${encodeURIComponent(item.task.name)}`;
    const say = (note) => this.pictures.update(item, { note });
    const asked = (how, where) => patiently(() => call(how, where + name), say);
    try {
      await this.pictures.took(item, await asked(method, path + what));
    } catch (error) {
      const code = error.facts?.code;
      // Somebody else was faster, e.g. another tab: what is true now is what counts.
      if (code === "wrong_status" && method !== "GET") await this.check(item);
      else if (what && (await this.pictures.history.file(item.id))) this.again(item);
      else await this.fail(item, error);
    }
  }
}

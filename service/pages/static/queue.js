/** Sending pictures, a few at a time; and cancel and retry, wherever a picture is. */

import { Problem, call, patiently, upload } from "./api.js";
import { ENDED } from "./pictures.js";

// A browser opens six connections to a host: two send, two listen, one asks, one fetches pictures.
const AT_ONCE = 2;

const UNSENT = {
  status: 0,
  code: "original_missing",
  detail: "this browser no longer has the picture; choose it again",
};

/** @typedef {import("./pictures.js").Item} Item */

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
    watcher.busy = () => this.sending.size > 0;
  }

  /** Send what waits to be sent. */
  pump() {
    for (const item of this.pictures.which((each) => each.state === "waiting")) {
      if (this.sending.size >= AT_ONCE) return;
      this.send(item);
    }
  }

  /** @param {Item} item */
  async send(item) {
    const stop = new AbortController();
    this.sending.set(item.id, stop);
    this.pictures.settle(item, { state: "sending", problem: null });
    try {
      const said = await this.attempt(item, stop.signal);
      this.pictures.took(item, said);
    } catch (error) {
      this.fail(item, error);
    }
    this.sending.delete(item.id);
    this.watcher.watch();
    this.pump();
  }

  /** @param {Item} item @param {AbortSignal} signal */
  async attempt(item, signal) {
    const file = await this.pictures.history.file(item.id);
    if (!file) throw new Problem(UNSENT);
    const form = new FormData();
    form.append("operations", JSON.stringify(item.operations));
    if (item.format) form.append("format", item.format);
    form.append("image", file, item.name);
    const progress = (sent) => this.pictures.update(item, { sent, note: "" });
    const say = (note) => this.pictures.update(item, { note, sent: 0 });
    return patiently(() => upload("/process", form, progress, signal), say, signal);
  }

  /** @param {Item} item @param {any} error */
  fail(item, error) {
    if (error instanceof Problem) {
      this.pictures.settle(item, { state: "failed", problem: error.facts });
    } else if (error?.name === "AbortError") {
      this.pictures.settle(item, { state: "cancelled", problem: null });
    } else {
      const detail = `this page failed: ${error}`;
      this.pictures.settle(item, { state: "failed", problem: { code: "page", detail } });
    }
  }

  /** Stop whatever is done for a picture. @param {Item} item */
  async cancel(item) {
    if (ENDED.has(item.state)) return;
    if (item.state === "waiting") this.pictures.settle(item, { state: "cancelled" });
    else if (item.state === "sending") this.sending.get(item.id)?.abort();
    else await this.ask(item, "DELETE", "");
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
    try {
      this.pictures.took(item, await patiently(() => call(method, path + what + name), say));
    } catch (error) {
      const code = error.facts?.code;
      // Somebody else was faster, e.g. another tab: what is true now is what counts.
      if (code === "wrong_status") this.pictures.took(item, await call("GET", path + name));
      else if (what && (await this.pictures.history.file(item.id))) this.again(item);
      else this.fail(item, error);
    }
  }
}

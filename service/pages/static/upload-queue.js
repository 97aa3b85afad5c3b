/** Upload pictures, a few at a time; cancel and retry them in any state. */

import { ApiError, callApi, upload, withRetries } from "./api.js";
import { isFinal } from "./picture-states.js";
import { LANGUAGE, t } from "./text.js";

// A browser opens six connections per host: two uploads, two event streams, one poll, one image.
const MAX_UPLOADS = 2;
const NOTE_DELAY = 500; // ms before the note that another tab uploads

const MISSING = { status: 0, code: "original_missing", detail: t("queue.file_missing"), lang: LANGUAGE };

/** @typedef {import("./picture-list.js").Item} Item */

/**
 * Run `work` in one tab at a time. Where a browser has no locks (plain http from another host) or
 * forbids them, tabs do not wait for each other.
 * @param {() => Promise<void>} work
 */
async function withTabLock(work) {
  let started = false;
  try {
    await navigator.locks.request("darkroom.queue", () => ((started = true), work()));
  } catch (error) {
    if (started) throw error;
    await work();
  }
}

export class UploadQueue {
  /**
   * @param {import("./picture-list.js").PictureList} pictures
   * @param {import("./task-watcher.js").TaskWatcher} watcher
   */
  constructor(pictures, watcher) {
    this.pictures = pictures;
    this.watcher = watcher;
    /** @type {Map<string, AbortController>} by id of the pictures being uploaded */
    this.uploads = new Map();
    /** @type {""|"requested"|"held"} the lock that lets this tab upload */
    this.lock = "";
    this.release = () => {};
    watcher.busy = () => this.uploads.size > 0;
  }

  /** Upload waiting pictures once this tab has the lock, so that no two tabs send the same. */
  async start() {
    if (this.lock === "held") return this.startUploads();
    if (this.lock || !this.pictures.unsent().length) return;
    this.lock = "requested";
    const setNote = (item) => this.pictures.update(item, { note: t("queue.other_tab") });
    const timer = setTimeout(() => this.pictures.unsent().forEach(setNote), NOTE_DELAY);
    await withTabLock(async () => {
      clearTimeout(timer);
      await this.pictures.reloadUnsent();
      this.watcher.watch(); // tasks that another tab created
      const released = new Promise((release) => (this.release = release));
      this.lock = "held";
      this.startUploads();
      await released;
    });
  }

  startUploads() {
    for (const item of this.pictures.filter((each) => each.state === "waiting")) {
      if (this.uploads.size >= MAX_UPLOADS) return;
      this.send(item);
    }
    if (this.uploads.size) return;
    this.lock = "";
    this.release();
  }

  /** @param {Item} item */
  async send(item) {
    const stop = new AbortController();
    this.uploads.set(item.id, stop);
    this.pictures.save(item, { state: "sending", problem: null });
    try {
      const task = await this.uploadFile(item, stop.signal);
      await this.pictures.applyTask(item, task);
      if (stop.signal.aborted) await this.cancel(item);
    } catch (error) {
      await this.fail(item, error);
    }
    this.uploads.delete(item.id);
    this.watcher.watch();
    this.start();
  }

  /** @param {Item} item @param {AbortSignal} signal */
  async uploadFile(item, signal) {
    const file = item.link ? null : await this.pictures.history.file(item.id);
    if (!file && !item.link) throw new ApiError(MISSING);
    const form = new FormData();
    form.append("operations", JSON.stringify(item.operations));
    if (item.format) form.append("format", item.format);
    if (item.quality) form.append("quality", item.quality);
    if (item.metadata) form.append("metadata", item.metadata);
    if (item.link) form.append("image_url", item.link);
    else form.append("image", file, item.name);
    const notify = (note) => this.pictures.update(item, { note });
    const send = async (hear) => {
      const began = Date.now();
      const progress = (sent) => {
        hear();
        this.pictures.update(item, { sent, note: "" });
      };
      progress(0);
      const task = await upload("/process", form, progress, signal);
      item.took = (Date.now() - began) / 1000;
      return task;
    };
    return withRetries(send, notify, signal);
  }

  /** @param {Item} item @param {any} error */
  async fail(item, error) {
    if (error instanceof ApiError) {
      await this.pictures.save(item, { state: "failed", problem: error.problem });
    } else if (error?.name === "AbortError") {
      await this.pictures.save(item, { state: "cancelled", problem: null });
    } else {
      const detail = t("queue.page_error", { error: `${error}` });
      await this.pictures.save(item, { state: "failed", problem: { code: "page", detail, lang: LANGUAGE } });
    }
  }

  /** Cancel a picture in any state. @param {Item} item */
  async cancel(item) {
    if (isFinal(item)) return;
    if (item.state === "waiting") this.pictures.save(item, { state: "cancelled" });
    else if (item.state === "sending") this.abortUpload(item);
    else await this.callTask(item, "DELETE", "");
  }

  /** Abort the upload; if everything is sent already, cancel the task once it is known. */
  abortUpload(item) {
    const stop = this.uploads.get(item.id);
    if (!stop) return; // another tab uploads it and can cancel it
    stop.abort();
    this.pictures.update(item, { note: t("queue.cancelling") });
  }

  /** Retry a picture that failed or was cancelled. @param {Item} item */
  async retry(item) {
    if (!item.task) return this.resend(item);
    await this.callTask(item, "POST", "/retry");
    this.watcher.watch();
  }

  /** Load the task of a picture from an earlier visit. @param {Item} item */
  async refresh(item) {
    this.pictures.checked.add(item.id);
    await this.callTask(item, "GET", "");
  }

  /** Upload a picture again. @param {Item} item */
  resend(item) {
    this.pictures.save(item, { state: "waiting", task: null, problem: null });
    this.start();
  }

  /** @param {Item} item @param {string} method @param {string} action "" or "/retry" */
  async callTask(item, method, action) {
    const path = `/tasks/${item.task.task_id}`;
    const name = `?name=${encodeURIComponent(item.task.name)}`;
    const notify = (note) => this.pictures.update(item, { note });
    const request = () => callApi(method, path + action + name);
    try {
      await this.pictures.applyTask(item, await withRetries(request, notify));
    } catch (error) {
      const code = error.problem?.code;
      // Another tab or client changed the task first: show its current state.
      if (code === "wrong_status" && method !== "GET") await this.refresh(item);
      else if (action && (item.link || (await this.pictures.history.file(item.id)))) this.resend(item);
      else await this.fail(item, error);
    }
  }
}

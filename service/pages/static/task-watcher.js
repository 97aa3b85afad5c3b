/** Follow running tasks by server-sent events, or by polling where those fail. */

import { ApiError, callApi, withRetries } from "./api.js";
import { STATES, isFinal } from "./picture-states.js";

const MAX_STREAMS = 2; // of the six connections that a browser opens per host
const POLL_INTERVAL = 500; // ms between two rounds of polling
const STREAM_BACKOFF = 30_000; // ms without new streams after one failed
const QUIET = 5000; // ms without an event until a task is asked for: a server that hangs does not close its streams

/** @typedef {import("./picture-list.js").Item} Item */

/** Whether a task is at work for the picture. @param {Item} item */
const isRunning = (item) => STATES[item.state].by === "task";

export class TaskWatcher {
  /** @param {import("./picture-list.js").PictureList} pictures @param {number} maxTasks of a group */
  constructor(pictures, maxTasks) {
    this.pictures = pictures;
    this.maxTasks = maxTasks;
    /** @type {Map<EventSource, Set<string>>} with the ids of their tasks */
    this.streams = new Map();
    /** @type {Set<EventSource>} streams that are disconnected now */
    this.disconnected = new Set();
    this.polling = false;
    this.noStreamsUntil = 0;
    /** @type {() => boolean} whether uploads are running, so that more tasks will come */
    this.busy = () => false;
    this.heard = Date.now();
    this.asking = false;
    setInterval(() => this.askIfQuiet(), QUIET / 5);
  }

  /** Ask for one task while the streams are quiet; without an answer all pictures say so. */
  async askIfQuiet() {
    const running = this.pictures.filter(isRunning);
    if (this.asking || !running.length || !this.streams.size || Date.now() - this.heard < QUIET) return;
    this.asking = true;
    const notify = (note) => running.filter(isRunning).forEach((item) => this.pictures.update(item, { note }));
    await this.pollTask(running[0], notify);
    this.heard = Date.now();
    this.asking = false;
  }

  /** @returns {Item[]} running pictures without a connected stream */
  unwatched() {
    const connected = [...this.streams].filter(([source]) => !this.disconnected.has(source));
    const watched = new Set(connected.flatMap(([, ids]) => [...ids]));
    return this.pictures.filter((item) => isRunning(item) && !watched.has(item.task.task_id));
  }

  /** Make sure that all running tasks are followed. */
  async watch() {
    if (this.polling) return;
    this.polling = true;
    try {
      while (this.unwatched().length) {
        await this.openStream();
        await this.poll();
      }
      this.disconnected.forEach((source) => this.close(source)); // all its tasks have ended
    } finally {
      this.polling = false;
    }
  }

  /** Poll each running task without a stream once. */
  async poll() {
    const open = this.unwatched();
    for (const item of open) {
      if (isRunning(item)) await this.pollTask(item);
      await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL / Math.min(open.length, 5)));
    }
  }

  /** Open a stream for the tasks without one, if the limits allow. */
  async openStream() {
    const open = this.unwatched();
    if (Date.now() < this.noStreamsUntil || !open.length) return;
    if (this.streams.size >= MAX_STREAMS) {
      if (open.length <= MAX_STREAMS || this.busy()) return;
      [...this.streams.keys()].forEach((source) => this.close(source));
    }
    const items = this.unwatched().slice(0, this.maxTasks);
    const ids = new Set(items.map((item) => item.task.task_id));
    try {
      this.connect(await this.streamPath(items, ids), ids);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.noStreamsUntil = Date.now() + STREAM_BACKOFF;
    }
  }

  /** @param {Item[]} items @param {Set<string>} ids @returns {Promise<string>} */
  async streamPath(items, ids) {
    if (ids.size === 1) {
      const { task_id: id, name } = items[0].task;
      return `/tasks/${id}/events?name=${encodeURIComponent(name)}`;
    }
    const tasks = items.map(({ task }) => ({ task_id: task.task_id, name: task.name }));
    const signal = AbortSignal.timeout(QUIET); // then they are polled, which says what the server does
    return `/status/${(await callApi("POST", "/groups", { tasks }, { signal })).group_id}/events`;
  }

  /** @param {string} path @param {Set<string>} ids */
  connect(path, ids) {
    const source = new EventSource(path);
    this.streams.set(source, ids);
    source.addEventListener("task", (event) => this.applyUpdate(JSON.parse(event.data)));
    source.addEventListener("group", (event) => {
      JSON.parse(event.data).tasks.forEach((task) => this.applyUpdate(task));
    });
    source.addEventListener("end", () => this.close(source));
    source.addEventListener("open", () => this.disconnected.delete(source));
    source.addEventListener("error", () => {
      this.noStreamsUntil = Date.now() + STREAM_BACKOFF;
      if (source.readyState === EventSource.CLOSED) this.close(source);
      else this.disconnected.add(source); // the browser reconnects; until then the tasks are polled
      this.watch();
    });
  }

  /** @param {EventSource} source */
  close(source) {
    source.close();
    this.streams.delete(source);
    this.disconnected.delete(source);
    this.watch();
  }

  /** Update all pictures of a task from its document. @param {any} body */
  applyUpdate(body) {
    this.heard = Date.now();
    const ofTask = (item) => isRunning(item) && item.task.task_id === body.task_id;
    for (const item of this.pictures.filter(ofTask)) {
      const { name } = item.task;
      // Results have names of their own per upload name: fetch those of another name.
      if (body.name !== name && body.finished_at) this.pollTask(item);
      else this.pictures.applyTask(item, { ...body, name });
    }
  }

  /** @param {Item} item @param {(note: string) => void} [notify] gets the reason for waiting */
  async pollTask(item, notify = (note) => this.pictures.update(item, { note })) {
    const { task_id: id, name } = item.task;
    const path = `/tasks/${id}?name=${encodeURIComponent(name)}`;
    try {
      const task = await withRetries(() => callApi("GET", path), notify);
      if (!isFinal(item)) this.pictures.applyTask(item, task);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.pictures.save(item, { state: "failed", problem: error.problem });
    }
  }
}

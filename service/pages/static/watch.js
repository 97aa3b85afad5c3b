/** Watching tasks: by server-sent events where they come, else by asking. */

import { Problem, call, patiently } from "./api.js";
import { ENDED } from "./pictures.js";

const STREAMS = 2; // of the six connections a browser opens to a host
const PAUSE = 500; // ms between two rounds of asking
const WITHOUT = 30_000; // ms without new streams after one broke

/** @typedef {import("./pictures.js").Item} Item */

export class Watcher {
  /** @param {import("./pictures.js").Pictures} pictures @param {number} most tasks of a group */
  constructor(pictures, most) {
    this.pictures = pictures;
    this.most = most;
    /** @type {Map<EventSource, Set<string>>} each with the ids of its tasks */
    this.streams = new Map();
    /** @type {Set<EventSource>} those of them that are not connected just now */
    this.mute = new Set();
    this.asking = false;
    this.without = 0;
    /** @type {() => boolean} whether pictures are being sent, so that more tasks will come */
    this.busy = () => false;
  }

  /** @returns {Item[]} those in work that no stream tells of */
  unheard() {
    const told = [...this.streams].filter(([source]) => !this.mute.has(source));
    const heard = new Set(told.flatMap(([, ids]) => [...ids]));
    return this.pictures.which((i) => i.state === "working" && !heard.has(i.task.task_id));
  }

  /** See to it that all tasks in work are watched. */
  async watch() {
    if (this.asking) return;
    this.asking = true;
    try {
      while (this.unheard().length) {
        await this.listen();
        await this.round();
      }
      this.mute.forEach((source) => this.close(source)); // all it would tell is known
    } finally {
      this.asking = false;
    }
  }

  /** Ask once for each task in work that no stream tells of. */
  async round() {
    const open = this.unheard();
    for (const item of open) {
      if (item.state === "working") await this.ask(item);
      await new Promise((resolve) => setTimeout(resolve, PAUSE / Math.min(open.length, 5)));
    }
  }

  /** Open a stream for the tasks without one, if one may be opened. */
  async listen() {
    const open = this.unheard();
    if (Date.now() < this.without || !open.length) return;
    if (this.streams.size >= STREAMS) {
      if (open.length <= STREAMS || this.busy()) return;
      [...this.streams.keys()].forEach((source) => this.close(source));
    }
    const items = this.unheard().slice(0, this.most);
    const ids = new Set(items.map((item) => item.task.task_id));
    try {
      this.open(await this.path(items, ids), ids);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.without = Date.now() + WITHOUT;
    }
  }

  /** @param {Item[]} items @param {Set<string>} ids @returns {Promise<string>} */
  async path(items, ids) {
    if (ids.size === 1) {
      const { task_id: id, name } = items[0].task;
      return `/tasks/${id}/events?name=${encodeURIComponent(name)}`;
    }
    const tasks = items.map(({ task }) => ({ task_id: task.task_id, name: task.name }));
    return `/status/${(await call("POST", "/groups", { tasks })).group_id}/events`;
  }

  /** @param {string} path @param {Set<string>} ids */
  open(path, ids) {
    const source = new EventSource(path);
    this.streams.set(source, ids);
    source.addEventListener("task", (event) => this.heard(JSON.parse(event.data)));
    source.addEventListener("group", (event) => {
      JSON.parse(event.data).tasks.forEach((task) => this.heard(task));
    });
    source.addEventListener("end", () => this.close(source));
    source.addEventListener("open", () => this.mute.delete(source));
    source.addEventListener("error", () => {
      this.without = Date.now() + WITHOUT;
      if (source.readyState === EventSource.CLOSED) this.close(source);
      else this.mute.add(source); // the browser connects again; until then its tasks are asked for
      this.watch();
    });
  }

  /** @param {EventSource} source */
  close(source) {
    source.close();
    this.streams.delete(source);
    this.mute.delete(source);
    this.watch();
  }

  /** Note what the API says of a task, for all pictures that it is of. @param {any} said */
  heard(said) {
    const of = (item) => item.state === "working" && item.task.task_id === said.task_id;
    for (const item of this.pictures.which(of)) {
      const { name } = item.task;
      // The same bytes under two names have results of two names: those are asked for.
      if (said.name !== name && said.finished_at) this.ask(item);
      else this.pictures.took(item, { ...said, name });
    }
  }

  /** @param {Item} item */
  async ask(item) {
    const { task_id: id, name } = item.task;
    const path = `/tasks/${id}?name=${encodeURIComponent(name)}`;
    try {
      const say = (note) => this.pictures.update(item, { note });
      const said = await patiently(() => call("GET", path), say);
      if (!ENDED.has(item.state)) this.pictures.took(item, said);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.pictures.settle(item, { state: "failed", problem: error.facts });
    }
  }
}

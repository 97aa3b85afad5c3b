/** Other results of the same picture: to compare with, and to ask for. */

import { canCompare } from "./pair.js";
import { describeOperations } from "./format.js";
import { BLENDED } from "./result-size.js";

/** @typedef {import("./picture-list.js").Item} Item */

/** What upscale does where no quality is named. */
const DEFAULT_QUALITY = "balanced";

export class Alternatives {
  /**
   * @param {import("./picture-list.js").PictureList} pictures
   * @param {import("./upload-queue.js").UploadQueue} queue
   */
  constructor(pictures, queue) {
    this.pictures = pictures;
    this.queue = queue;
    /** @type {string[]} qualities of upscale, from GET /operations */
    this.qualities = [];
    /** @type {(item: Item) => void} called with each that starts */
    this.started = () => {};
  }

  /** All items of the same file: its name and its size tell; a hash needs https. @param {Item} item */
  same(item) {
    return this.pictures.filter((each) => each.name === item.name && each.size === item.size && each.link === item.link && each.set);
  }

  /**
   * Finished results that can be laid over `after`, one for each way they were made, the newest first.
   * @param {Item} item @param {import("./viewer.js").Version} after its own result
   * @returns {import("./viewer.js").Version[]}
   */
  of(item, after) {
    /** @type {Map<string, import("./viewer.js").Version>} */
    const found = new Map();
    for (const other of this.same(item).reverse()) {
      const label = describeOperations(other.operations, other.format);
      const results = other.state === "done" ? other.task.results.filter((result) => result.url) : [];
      if (results.length !== 1 || results[0].url === after.url || found.has(label)) continue;
      if (canCompare(after, results[0], other.task.operations)) found.set(label, { ...results[0], label });
    }
    return [...found.values()];
  }

  /**
   * Which of `versions` stands at the left at first: the result that `item` was asked for beside, else the original.
   * @param {Item} item @param {import("./viewer.js").Version[]} versions
   */
  leftOf(item, versions) {
    const beside = this.pictures.items.get(item.beside)?.task?.results[0]?.url;
    return Math.max(0, versions.findIndex(({ url }) => url === beside));
  }

  /** Qualities in which an upscaled picture has not been made yet. @param {Item} item @returns {string[]} */
  offers(item) {
    if (item.operations?.length !== 1 || item.operations[0].op !== "upscale" || item.operations[0].model) return [];
    const { scale } = item.operations[0];
    const quality = ({ operations: [each] }) => each.scale === scale && (each.quality ?? DEFAULT_QUALITY);
    const made = new Set(this.same(item).filter((each) => each.operations?.length === 1).map(quality));
    return this.qualities.filter((each) => !made.has(each));
  }

  /** Upscale the same picture in another quality. @param {Item} item @param {string} quality */
  async make(item, quality) {
    const file = item.link ? null : await this.pictures.history.file(item.id);
    if (!file && !item.link) return;
    const { format, quality: fileQuality, metadata } = item;
    const operations = [{ ...item.operations[0], quality }];
    if (!BLENDED.includes(quality)) delete operations[0].strength; // the API refuses it for them
    const more = { operations, format, quality: fileQuality, metadata, beside: item.id, state: "waiting" };
    const added = item.link
      ? await this.pictures.addLink(item.link, more)
      : await this.pictures.add(new File([file], item.name, { type: file.type }), more);
    this.started(added);
    this.queue.start();
  }
}

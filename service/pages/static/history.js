/** What this browser remembers of its pictures: IndexedDB, so that a reload loses nothing. */

import { ENDED } from "./pictures.js";

/** @param {IDBRequest} request @returns {Promise<any>} */
const answer = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** @param {IDBTransaction} work @returns {Promise<void>} */
const written = (work) =>
  new Promise((resolve, reject) => {
    work.oncomplete = () => resolve();
    work.onerror = work.onabort = () => reject(work.error);
  });

/** Records of pictures, and their originals; where there is no IndexedDB, for this visit only. */
export class History {
  /**
   * @param {IDBDatabase|null} database
   * @param {number} most pictures that ended and are remembered
   */
  constructor(database, most) {
    this.database = database;
    this.most = most;
    /** @type {Map<string, Blob>} originals that could not be written, e.g. for want of space */
    this.visit = new Map();
    /** @type {Set<string>} ids of records that could not be written as they are now */
    this.unwritten = new Set();
  }

  /** @param {number} most @returns {Promise<History>} */
  static async open(most) {
    try {
      const asked = indexedDB.open("darkroom", 1);
      asked.onupgradeneeded = () => {
        asked.result.createObjectStore("items", { keyPath: "id" });
        asked.result.createObjectStore("files");
      };
      return new History(await answer(asked), most);
    } catch {
      return new History(null, most);
    }
  }

  /** @returns {Promise<any[]>} all records, oldest first; of what ended the oldest are forgotten */
  async all() {
    if (!this.database) return [];
    const found = await answer(this.database.transaction("items").objectStore("items").getAll());
    found.sort((a, b) => a.added - b.added);
    const ended = found.filter((record) => ENDED.has(record.state));
    const old = new Set(ended.slice(0, Math.max(0, ended.length - this.most)));
    await this.forget([...old].map((record) => record.id));
    return found.filter((record) => !old.has(record));
  }

  /**
   * Write a record, with its original when it is new. What cannot be written lasts for this visit.
   * @param {{id: string}} record @param {Blob} [file]
   */
  async put(record, file) {
    if (file) this.visit.set(record.id, file);
    if (!this.database) return;
    try {
      const work = this.database.transaction(["items", "files"], "readwrite");
      work.objectStore("items").put(record);
      if (file) work.objectStore("files").put(file, record.id);
      await written(work);
      this.unwritten.delete(record.id);
      if (file) this.visit.delete(record.id);
    } catch {
      this.unwritten.add(record.id);
      if (file) await this.put(record); // without the original: that is what takes space
    }
  }

  /**
   * @param {{id: string}} known what this page knows of a picture
   * @returns {Promise<any>} what is remembered of it; undefined where another tab forgot it
   */
  async record(known) {
    if (!this.database || this.unwritten.has(known.id)) return known;
    try {
      return await answer(this.database.transaction("items").objectStore("items").get(known.id));
    } catch {
      return known;
    }
  }

  /** @param {string} id @returns {Promise<Blob|undefined>} the original, if it is still here */
  async file(id) {
    if (this.visit.has(id) || !this.database) return this.visit.get(id);
    try {
      return await answer(this.database.transaction("files").objectStore("files").get(id));
    } catch {
      return undefined;
    }
  }

  /** @param {string[]} ids */
  async forget(ids) {
    ids.forEach((id) => this.visit.delete(id));
    if (!this.database || !ids.length) return;
    const work = this.database.transaction(["items", "files"], "readwrite");
    for (const id of ids) {
      work.objectStore("items").delete(id);
      work.objectStore("files").delete(id);
    }
    await written(work);
  }
}

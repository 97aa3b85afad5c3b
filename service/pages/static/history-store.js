/** Store the pictures and their states in IndexedDB, so that a reload loses nothing. */

import { isFinal } from "./picture-states.js";

/** @param {IDBRequest} request @returns {Promise<any>} */
const requestDone = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** @param {IDBTransaction} transaction @returns {Promise<void>} */
const transactionDone = (transaction) =>
  new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });

/** Records of pictures, and their originals; in memory only if there is no IndexedDB. */
export class HistoryStore {
  /**
   * @param {IDBDatabase|null} database
   * @param {number} maxEnded how many finished pictures are kept
   */
  constructor(database, maxEnded) {
    this.database = database;
    this.maxEnded = maxEnded;
    /** @type {Map<string, Blob>} originals that could not be written, e.g. because storage is full */
    this.unsavedFiles = new Map();
    /** @type {Set<string>} ids of records whose newest state could not be written */
    this.unsavedRecords = new Set();
  }

  /** @param {number} maxEnded @returns {Promise<HistoryStore>} */
  static async open(maxEnded) {
    try {
      const opening = indexedDB.open("darkroom", 1);
      opening.onupgradeneeded = () => {
        opening.result.createObjectStore("items", { keyPath: "id" });
        opening.result.createObjectStore("files");
      };
      return new HistoryStore(await requestDone(opening), maxEnded);
    } catch {
      return new HistoryStore(null, maxEnded);
    }
  }

  /** @returns {Promise<any[]>} all records, oldest first; deletes finished ones beyond the limit */
  async loadAll() {
    if (!this.database) return [];
    const records = await requestDone(this.database.transaction("items").objectStore("items").getAll());
    records.sort((a, b) => a.added - b.added);
    const ended = records.filter(isFinal);
    const old = new Set(ended.slice(0, Math.max(0, ended.length - this.maxEnded)));
    await this.remove([...old].map((record) => record.id));
    return records.filter((record) => !old.has(record));
  }

  /**
   * Write a record, with its original if it is new. If writing fails, keep it in memory.
   * @param {{id: string}} record @param {Blob} [file]
   */
  async put(record, file) {
    if (file) this.unsavedFiles.set(record.id, file);
    if (!this.database) return;
    try {
      const transaction = this.database.transaction(["items", "files"], "readwrite");
      transaction.objectStore("items").put(record);
      if (file) transaction.objectStore("files").put(file, record.id);
      await transactionDone(transaction);
      this.unsavedRecords.delete(record.id);
      if (file) this.unsavedFiles.delete(record.id);
    } catch {
      this.unsavedRecords.add(record.id);
      if (file) await this.put(record); // without the original, which takes the space
    }
  }

  /**
   * @param {{id: string}} item the picture as this page knows it
   * @returns {Promise<any>} its stored record; undefined if another tab removed it
   */
  async record(item) {
    if (!this.database || this.unsavedRecords.has(item.id)) return item;
    try {
      return await requestDone(this.database.transaction("items").objectStore("items").get(item.id));
    } catch {
      return item;
    }
  }

  /** @param {string} id @returns {Promise<Blob|undefined>} the original, if it is still stored */
  async file(id) {
    if (this.unsavedFiles.has(id) || !this.database) return this.unsavedFiles.get(id);
    try {
      return await requestDone(this.database.transaction("files").objectStore("files").get(id));
    } catch {
      return undefined;
    }
  }

  /** @param {string[]} ids */
  async remove(ids) {
    ids.forEach((id) => this.unsavedFiles.delete(id));
    if (!this.database || !ids.length) return;
    const transaction = this.database.transaction(["items", "files"], "readwrite");
    for (const id of ids) {
      transaction.objectStore("items").delete(id);
      transaction.objectStore("files").delete(id);
    }
    await transactionDone(transaction);
  }
}

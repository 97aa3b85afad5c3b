/** How far the pictures of a set are, in seconds: an upload counts for as long as it takes beside the work. */

import { STATES, isFinal, shareOf } from "./picture-states.js";

/** @typedef {import("./picture-list.js").Item} Item */

const GUESS = 0.2; // of the way is the upload, until the first one says more
const ENOUGH = 0.05; // of the way, from which on the time that it took tells of the rest

export class SetProgress {
  constructor() {
    this.forget();
  }

  /** Begin anew, since there are other pictures, or the same are tried again. */
  forget() {
    this.upload = GUESS;
    this.known = false;
    this.share = 0;
    this.open = 0;
    this.total = 0;
  }

  /** @param {Item[]} items @returns {{share: number, left: number}} 0 to 1, and seconds; 0: unknown */
  of(items) {
    const open = items.filter((item) => !isFinal(item));
    if (items.length !== this.total || open.length > this.open) this.forget();
    const begins = !this.total;
    [this.total, this.open] = [items.length, open.length];
    this.learn(open);
    const share = items.reduce((sum, item) => sum + shareOf(item, this.upload), 0) / (items.length || 1);
    this.share = Math.max(this.share, share); // what is learnt does not take it back
    if (begins) this.start = { at: Date.now(), share };
    const eta = Math.max(0, ...open.map((item) => item.eta ?? 0));
    const unsent = open.some((item) => STATES[item.state].by === "upload");
    return { share: this.share, left: unsent ? this.paced(eta) : eta };
  }

  /** From the first picture that was accepted in this visit. @param {Item[]} open */
  learn(open) {
    const first = !this.known && open.find((item) => item.took && item.eta);
    if (!first) return;
    this.known = true;
    this.upload = first.took / (first.took + first.eta);
  }

  /** Seconds by the pace so far: the service predicts those of accepted pictures only. @param {number} eta of these */
  paced(eta) {
    const gained = this.share - this.start.share;
    return !this.known || gained < ENOUGH ? 0 : Math.max(eta, ((Date.now() - this.start.at) / 1000) * ((1 - this.share) / gained));
  }
}

/** What to do, as a list of steps; everything in it comes from GET /operations. */

import { byId, el, say } from "./dom.js";
import { makeStep } from "./step.js";
import { plan } from "./words.js";

const MEMORY = "darkroom.form";
/** What most people come for. */
const START = [{ op: "upscale", scale: 2, quality: "balanced" }];

/** @typedef {{op: string, [parameter: string]: any}} Operation as the API takes it */

export class Form {
  /**
   * @param {any[]} listed the operations of GET /operations
   * @param {number} most steps
   * @param {(news: string) => void} tell
   */
  constructor(listed, most, tell) {
    this.listed = new Map(listed.map((each) => [each.op, each]));
    this.most = most;
    this.tell = tell;
    /** @type {import("./step.js").Step[]} */
    this.steps = [];
    const formats = this.listed.get("convert")?.parameters.properties.format.enum ?? [];
    byId("format").append(...formats.map((value) => el("option", { value, text: value })));
    byId("format").addEventListener("change", () => this.changed());
    byId("steps").addEventListener("input", () => this.changed());
    byId("add-step").addEventListener("click", () => this.add());
    byId("reset").addEventListener("click", () => this.reset());
    this.restore();
  }

  /** @returns {Operation[]} */
  get operations() {
    return this.steps.map((step) => step.read());
  }

  /** @returns {string} "" where each picture keeps its own */
  get format() {
    return byId("format").value;
  }

  restore() {
    let kept = null;
    try {
      kept = JSON.parse(localStorage.getItem(MEMORY) ?? "null");
    } catch {
      // Storage may be forbidden; then each visit begins at the start.
    }
    const known = kept?.operations?.filter((each) => this.listed.has(each.op)) ?? [];
    this.fill(known.length ? known : START, kept?.format ?? "");
  }

  reset() {
    this.fill(START, "");
    this.tell(`Back to ${plan(this.operations)}`);
  }

  /** @param {Operation[]} operations @param {string} format */
  fill(operations, format) {
    this.steps = operations.map((each) => this.step(each));
    byId("format").value = format;
    this.changed();
  }

  /** @param {Operation} given */
  step(given) {
    const step = makeStep(this.listed, given, {
      move: (by) => this.move(step, by),
      remove: () => this.remove(step),
      changed: () => this.changed(),
    });
    return step;
  }

  add() {
    const other = [...this.listed.keys()].find((op) => !this.steps.some((s) => s.read().op === op));
    this.steps.push(this.step({ op: other ?? START[0].op }));
    this.changed();
    this.steps.at(-1).node.querySelector("select").focus();
    this.tell(`Step ${this.steps.length} added`);
  }

  /** @param {any} step @param {number} by -1: up, 1: down */
  move(step, by) {
    const at = this.steps.indexOf(step);
    this.steps.splice(at, 1);
    this.steps.splice(at + by, 0, step);
    this.changed();
    const button = step.node.querySelector(by < 0 ? ".up" : ".down");
    (button.disabled ? step.node.querySelector(by < 0 ? ".down" : ".up") : button).focus();
    this.tell(`Now step ${at + by + 1}`);
  }

  /** @param {any} step */
  remove(step) {
    const at = this.steps.indexOf(step);
    this.steps.splice(at, 1);
    this.changed();
    const next = this.steps[Math.min(at, this.steps.length - 1)];
    next.node.querySelector("select").focus();
    this.tell(`Step ${at + 1} removed`);
  }

  /** Show the steps in their order, say what they do, and remember it. */
  changed() {
    const list = byId("steps");
    const nodes = this.steps.map((step) => step.node);
    const other = nodes.some((node, at) => list.children[at] !== node);
    if (other || list.children.length !== nodes.length) list.replaceChildren(...nodes);
    this.steps.forEach((step, at) => step.number(at + 1, this.steps.length));
    byId("add-step").disabled = this.steps.length >= this.most;
    const { operations, format } = this;
    say(byId("plan"), plan(operations) + (format ? `, as ${format}` : ""));
    try {
      localStorage.setItem(MEMORY, JSON.stringify({ operations, format }));
    } catch {
      // See restore.
    }
  }
}

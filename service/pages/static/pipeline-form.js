/** The form for the pipeline, a list of steps built from GET /operations. */

import { byId, el, setText } from "./dom.js";
import { makeStep } from "./pipeline-step.js";
import { describeOperations } from "./format.js";
import { t, tWord } from "./text.js";

const STORAGE_KEY = "darkroom.form";
/** The operations of a first visit. */
const DEFAULT_OPERATIONS = [{ op: "upscale", scale: 2, quality: "balanced" }];

/** @typedef {{op: string, [parameter: string]: any}} Operation as the API takes it */

export class PipelineForm {
  /**
   * @param {any[]} specs the operations of GET /operations
   * @param {number} maxSteps
   * @param {(text: string) => void} announce to screen readers
   */
  constructor(specs, maxSteps, announce) {
    this.specs = new Map(specs.map((each) => [each.op, each]));
    this.maxSteps = maxSteps;
    this.announce = announce;
    /** @type {import("./pipeline-step.js").Step[]} */
    this.steps = [];
    this.changed = () => {}; // set by who wants to know
    const formats = this.specs.get("convert")?.parameters.properties.format.enum ?? [];
    const radio = (value) => el("label", {}, el("input", { type: "radio", name: "format", value }), el("span", { text: tWord("value", value) }));
    byId("format").querySelector(".choices").append(...formats.map(radio));
    for (const id of ["format", "quality", "metadata"]) byId(id).addEventListener("input", () => this.refresh());
    byId("steps").addEventListener("input", () => this.refresh());
    byId("add-step").addEventListener("click", () => this.addStep());
    byId("reset").addEventListener("click", () => this.reset());
    this.restore();
  }

  /** @returns {Operation[]} */
  get operations() {
    return this.steps.map((step) => step.read());
  }

  /** @returns {string} "" if each picture keeps its own */
  get format() {
    return byId("format").querySelector("input:checked").value;
  }

  /** @returns {string} of a JPEG or WebP; "": as the server says */
  get quality() {
    return byId("file-quality").hidden ? "" : byId("quality").value;
  }

  /** @returns {string} "" for none */
  get metadata() {
    return byId("metadata").value;
  }

  restore() {
    let saved = null;
    try {
      saved = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "null");
    } catch {
      // Storage may be forbidden; then each visit starts with the default.
    }
    const known = saved?.operations?.filter((each) => this.specs.has(each.op)) ?? [];
    this.fill({ ...saved, operations: known.length ? known : DEFAULT_OPERATIONS });
  }

  reset() {
    this.fill({ operations: DEFAULT_OPERATIONS });
    this.announce(t("step.reset", { operations: describeOperations(this.operations) }));
  }

  /** @param {{operations: Operation[], format?: string, quality?: string, metadata?: string}} chosen */
  fill({ operations, format = "", quality = "", metadata = "" }) {
    this.steps = operations.map((each) => this.newStep(each));
    for (const radio of byId("format").querySelectorAll("input")) radio.checked = radio.value === format;
    if (!byId("format").querySelector(":checked")) byId("format").querySelector("input").checked = true;
    byId("quality").value = quality;
    byId("metadata").value = metadata;
    this.refresh();
  }

  /** @param {Operation} operation */
  newStep(operation) {
    const step = makeStep(this.specs, operation, {
      move: (by) => this.moveStep(step, by),
      remove: () => this.removeStep(step),
      changed: () => this.refresh(),
    });
    return step;
  }

  addStep() {
    const other = [...this.specs.keys()].find((op) => !this.steps.some((s) => s.read().op === op));
    this.steps.push(this.newStep({ op: other ?? DEFAULT_OPERATIONS[0].op }));
    this.refresh();
    this.steps.at(-1).node.querySelector("select").focus();
    this.announce(t("step.added", { number: this.steps.length }));
  }

  /** @param {any} step @param {number} by -1: up, 1: down */
  moveStep(step, by) {
    const at = this.steps.indexOf(step);
    this.steps.splice(at, 1);
    this.steps.splice(at + by, 0, step);
    this.refresh();
    const button = step.node.querySelector(by < 0 ? ".up" : ".down");
    (button.disabled ? step.node.querySelector(by < 0 ? ".down" : ".up") : button).focus();
    this.announce(t("step.moved", { number: at + by + 1 }));
  }

  /** @param {any} step */
  removeStep(step) {
    const at = this.steps.indexOf(step);
    this.steps.splice(at, 1);
    this.refresh();
    const next = this.steps[Math.min(at, this.steps.length - 1)];
    next.node.querySelector("select").focus();
    this.announce(t("step.removed", { number: at + 1 }));
  }

  /** Show the steps and their title, and save them. */
  refresh() {
    const list = byId("steps");
    const nodes = this.steps.map((step) => step.node);
    const reordered = nodes.some((node, at) => list.children[at] !== node);
    if (reordered || list.children.length !== nodes.length) list.replaceChildren(...nodes);
    this.steps.forEach((step, at) => step.number(at + 1, this.steps.length));
    byId("add-step").disabled = this.steps.length >= this.maxSteps;
    byId("file-quality").hidden = !["jpeg", "webp", "avif"].includes(this.format);
    const { operations, format, quality, metadata } = this;
    setText(byId("plan"), describeOperations(operations, format));
    this.changed();
    try {
      localStorage.setItem(STORAGE_KEY, JSON.stringify({ operations, format, quality, metadata }));
    } catch {
      // Storage may be forbidden.
    }
  }
}

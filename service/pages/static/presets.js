/** Presets: operations and a format under a name; given by the page or the service, or a person's own, kept in this browser. */

import { callApi } from "./api.js";
import { byId, el } from "./dom.js";
import { t } from "./text.js";

const STORAGE_KEY = "darkroom.presets";
const MAX_OWN = 20; // more would be no choice in sight

/** @typedef {{name: string, description?: string, operations: {op: string}[], format: string, quality?: string, metadata?: string}} Preset */

/** The given ones, as far as this server has their operations. @param {Map<string, any>} specs @returns {Preset[]} */
function givenPresets(specs) {
  const { quality } = specs.get("upscale")?.parameters.properties ?? {};
  const qualities = (quality?.anyOf ?? []).flatMap((kind) => kind.enum ?? []);
  const presets = [];
  if (specs.has("upscale"))
    presets.push({ name: t("preset.web"), operations: [{ op: "upscale", scale: 2, quality: "balanced" }], format: "webp" });
  const photo = { op: "upscale", scale: 2, quality: "photo" };
  const restore = [specs.has("restore") && { op: "restore" }, qualities.includes("photo") && photo].filter(Boolean);
  if (restore.length) presets.push({ name: t("preset.restore"), operations: restore, format: "" });
  if (specs.has("thumbnail"))
    presets.push({ name: t("preset.thumbnail"), operations: [{ op: "thumbnail", width: 300, height: 300 }], format: "webp" });
  return presets;
}

/**
 * A preset of GET /presets as the form has it: what the form has no field for is a step of it, if the format is known.
 * @returns {Preset|null}
 */
function fromService({ name, description, operations, format = "", quality, max_bytes, progressive, metadata = "" }) {
  const file = { format: { jpg: "jpeg", auto: "" }[format] ?? format, quality: quality === undefined ? "" : `${quality}` };
  if (!max_bytes && !progressive && quality !== "lossless") return { name, description, operations, ...file, metadata };
  if (!file.format) return null;
  const convert = { op: "convert", format: file.format, quality, max_bytes };
  if (progressive) convert.progressive = 1;
  return { name, description, operations: [...operations, convert], format: "", metadata };
}

export class Presets {
  /**
   * @param {import("./pipeline-form.js").PipelineForm} form
   * @param {(text: string) => void} announce to screen readers
   */
  constructor(form, announce) {
    this.form = form;
    this.announce = announce;
    this.given = givenPresets(form.specs);
    /** @type {Preset[]} */
    this.own = load().filter((each) => each.operations?.every(({ op }) => form.specs.has(op)));
    byId("save-preset").addEventListener("click", () => this.ask());
    byId("preset-name").addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.preventDefault(); // or the form would start
      if (event.key === "Enter") this.save(byId("preset-name").value.trim());
      else this.close();
    });
    byId("keep-preset").addEventListener("click", () => this.save(byId("preset-name").value.trim()));
    this.show();
    callApi("GET", "/presets").then(
      ({ presets }) => {
        this.given.push(...presets.map(fromService).filter((each) => each?.operations.every(({ op }) => form.specs.has(op))));
        this.show();
      },
      () => {}, // without them the page has its own
    );
  }

  show() {
    const use = (preset) =>
      el("button", { type: "button", text: preset.name, title: preset.description, "aria-pressed": "false", onclick: () => this.use(preset) });
    const own = (preset) => {
      const label = t("preset.remove", { name: preset.name });
      const remove = el("button", { type: "button", class: "plain", text: "✕", "aria-label": label });
      remove.addEventListener("click", () => this.remove(preset));
      return el("span", { class: "own" }, use(preset), remove);
    };
    byId("presets").replaceChildren(...this.given.map(use), ...this.own.map(own));
    this.mark();
  }

  /** Mark the preset that the form shows. */
  mark() {
    const now = JSON.stringify(content(this.form));
    const buttons = byId("presets").querySelectorAll("button[aria-pressed]");
    [...this.given, ...this.own].forEach((preset, at) =>
      buttons[at].setAttribute("aria-pressed", String(JSON.stringify(content(preset)) === now)),
    );
  }

  /** @param {Preset} preset */
  use(preset) {
    this.form.fill(preset);
    this.announce(t("preset.used", { name: preset.name }));
  }

  ask() {
    byId("naming").hidden = !byId("naming").hidden;
    if (!byId("naming").hidden) byId("preset-name").focus();
  }

  close() {
    byId("naming").hidden = true;
    byId("preset-name").value = "";
    byId("save-preset").focus();
  }

  /** @param {string} name */
  save(name) {
    if (!name) return;
    this.own = [...this.own.filter((each) => each.name !== name), { name, ...content(this.form) }].slice(-MAX_OWN);
    this.store();
    this.close();
    this.announce(t("preset.saved", { name }));
  }

  /** @param {Preset} preset */
  remove(preset) {
    this.own = this.own.filter((each) => each !== preset);
    this.store();
    byId("save-preset").focus();
  }

  store() {
    try {
      localStorage.setItem(STORAGE_KEY, JSON.stringify(this.own));
    } catch {
      // Storage may be forbidden: then they last as long as the page.
    }
    this.show();
  }
}

/** What a preset holds, in one order. */
const content = ({ operations, format, quality, metadata }) => ({
  operations,
  format: format ?? "",
  quality: quality ?? "",
  metadata: metadata ?? "",
});

/** @returns {Preset[]} */
function load() {
  try {
    return JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "[]");
  } catch {
    return [];
  }
}

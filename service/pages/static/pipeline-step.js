/** One step of the pipeline form: an operation with a field for each of its parameters. */

import { makeCropFrame } from "./crop-frame.js";
import { el, uniqueId } from "./dom.js";
import { describeOperations, formatDuration } from "./format.js";
import { BLENDED, resultSize } from "./result-size.js";
import { makeField } from "./schema-field.js";
import { t, tApi } from "./text.js";

/**
 * @typedef {object} Step
 * @property {HTMLElement} node
 * @property {() => import("./pipeline-form.js").Operation} read
 * @property {(place: number, of: number) => void} number show its position
 * @property {(pictures: Picture[], first: boolean, price: (operation: any) => number) => void} show what it does with the
 *   chosen pictures; `first`: no other step comes before it; `price`: the seconds of all with another operation here, 0: unknown
 */
/** @typedef {{url: string, width: number, height: number}} Picture upright */

/** What an operation is chosen with, where its own defaults do nothing or name nothing. */
const INITIAL = { upscale: { quality: "balanced" }, resize: { scale: 0.5 }, adjust: { contrast: 20 } };

/**
 * @param {Map<string, any>} specs the operations of GET /operations by name
 * @param {import("./pipeline-form.js").Operation} operation
 * @param {{move: (by: number) => void, remove: () => void, changed: () => void}} callbacks
 * @returns {Step}
 */
export function makeStep(specs, operation, callbacks) {
  const id = uniqueId();
  const select = el("select", { id, "aria-describedby": `${id}-hint` });
  for (const op of specs.keys()) select.append(el("option", { value: op, text: describeOperations([{ op }]) }));
  select.value = operation.op;
  const hint = el("p", { class: "hint", id: `${id}-hint` });
  const parameterBox = el("div", { class: "parameters" });
  /** @type {Record<string, import("./schema-field.js").Field>} */
  let fields = {};
  /** @type {ReturnType<typeof makeCropFrame>|null} */
  let crop = null;
  let cropped = "";
  let fresh = false; // just chosen: a frame starts with the whole picture
  const fill = (values) => {
    [crop, cropped] = [null, ""];
    const spec = specs.get(select.value);
    hint.replaceChildren(el("span", tApi(spec.summary)));
    fields = makeFields(spec);
    for (const [name, each] of Object.entries(fields)) if (name in values) each.write(values[name]);
    parameterBox.replaceChildren(...layOut(spec, fields));
    showStrength(fields);
  };
  parameterBox.addEventListener("input", () => showStrength(fields));
  const button = (name, text, onclick) =>
    el("button", { type: "button", class: `plain ${name}`, text, onclick });
  const up = button("up", "↑", () => callbacks.move(-1));
  const down = button("down", "↓", () => callbacks.move(1));
  const remove = button("remove", "✕", () => callbacks.remove());
  const moves = el("div", { class: "moves" }, up, down, remove);
  const legend = el("legend");
  const label = el("label", { class: "visually-hidden", for: id, text: t("step.operation") });
  const what = el("div", { class: "field what" }, label, select, hint);
  const box = el("fieldset", { class: "step" }, legend, what, moves, parameterBox);
  fill(operation);
  // Not "change": the form reads the step at "input", and the fields have to be those of the operation by then.
  select.addEventListener("input", () => {
    fill(INITIAL[select.value] ?? {});
    fresh = true;
    callbacks.changed();
  });
  parameterBox.addEventListener("input", (event) => {
    if (select.value === "resize") exclude(fields, event.target.name);
    crop?.update();
  });
  /** The frame on the first picture, made again only for another picture. */
  const showCrop = (picture) => {
    const wanted = select.value === "crop" && picture ? picture.url : "";
    if (wanted === cropped) return;
    cropped = wanted;
    crop?.node.remove();
    crop = wanted ? makeCropFrame(picture, () => readRect(fields, picture), (rect) => writeRect(fields, rect)) : null;
    if (!crop) return;
    parameterBox.prepend(crop.node);
    if (fresh) writeRect(fields, { x: 0, y: 0, width: picture.width, height: picture.height });
    fresh = false;
  };
  return {
    node: el("li", {}, box),
    read: () => ({ op: select.value, ...read(fields) }),
    show(pictures, first, price) {
      const step = { op: select.value, ...read(fields) };
      showCrop(first ? pictures[0] : undefined);
      if (step.op === "resize") showSides(fields, step, first ? pictures[0] : undefined);
      for (const value of qualities(specs.get(select.value))) {
        const seconds = price({ ...step, model: undefined, quality: value });
        fields.quality.note?.(value, seconds ? formatDuration(Math.max(0.1, seconds)) : "");
      }
    },
    number(at, of) {
      legend.textContent = of > 1 ? t("step.title", { number: at }) : t("step.operation");
      moves.hidden = of === 1;
      up.disabled = at === 1;
      down.disabled = at === of;
      up.setAttribute("aria-label", t("step.up", { number: at }));
      down.setAttribute("aria-label", t("step.down", { number: at }));
      remove.setAttribute("aria-label", t("step.remove", { number: at }));
    },
  };
}

/** Of a watermark that is a picture: there is no input for its file. */
const OF_A_FILE = ["picture", "share"];

/** What has to be filled in: without a file a watermark needs its text. */
const needed = ({ parameters }) => parameters.required ?? (parameters.properties.picture ? ["text"] : []);

function makeFields(spec) {
  const { properties } = spec.parameters;
  const required = needed(spec);
  const fields = {};
  for (const [name, schema] of Object.entries(properties)) {
    if (OF_A_FILE.includes(name)) continue;
    // Offer only the scales for which there is a network.
    const values = spec.models?.map((each) => each[name]).filter((value) => value !== undefined);
    const choices = values?.length ? [...new Set(values)].sort() : undefined;
    const more = { required: required.includes(name), example: spec.example[name], choices };
    fields[name] = makeField(name, schema, more);
  }
  return fields;
}

function read(fields) {
  const entries = Object.entries(fields).map(([name, each]) => [name, each.read()]);
  const values = Object.fromEntries(entries.filter(([, value]) => value !== undefined));
  // Both choose the network, and the API takes one of them: the model is more exact.
  if (values.model) delete values.quality;
  if (fields.strength?.node.hidden) delete values.strength;
  return values;
}

function showStrength({ quality, strength }) {
  if (quality && strength) strength.node.hidden = !BLENDED.includes(quality.read());
}

/** The networks that upscale offers by quality. */
const qualities = (spec) => (spec.models ? spec.parameters.properties.quality.anyOf ?? [] : []).flatMap((kind) => kind.enum ?? []);

/** A scale excludes sides, and sides a scale: what is written last counts. */
function exclude(fields, name) {
  if (name === "scale" && fields.scale.read() !== undefined) ["width", "height"].forEach((side) => fields[side].write(null));
  if (name === "width" || name === "height") fields.scale.write(null);
}

/** Show both sides of the first picture's result in the fields that are empty. */
function showSides(fields, step, picture) {
  const size = picture ? resultSize(picture, [step]) : null;
  for (const side of ["width", "height"])
    fields[side].node.querySelector("input").placeholder = size ? `${size[side]}` : "";
}

/** The rectangle of the crop fields; a missing side reaches to the edge. */
function readRect(fields, picture) {
  const [x, y] = [fields.x.read() ?? 0, fields.y.read() ?? 0];
  return { x, y, width: fields.width.read() ?? picture.width - x, height: fields.height.read() ?? picture.height - y };
}

function writeRect(fields, rect) {
  for (const [name, value] of Object.entries(rect)) fields[name].write(value);
  fields.x.node.dispatchEvent(new Event("input", { bubbles: true })); // the form reads them again
}

/** Put rarely used free-text fields, e.g. the name of a network, under "More". */
function layOut(spec, fields) {
  const { properties } = spec.parameters;
  const required = needed(spec);
  const rare = (name) => properties[name].type === "string" && !properties[name].enum && !required.includes(name);
  const nodes = (of) => of.map((name) => fields[name].node);
  const names = Object.keys(fields);
  const folded = nodes(names.filter(rare));
  const more = el("details", { class: "more" }, el("summary", { text: t("step.more") }), ...folded);
  const shown = el("div", { class: "fields" }, ...nodes(names.filter((name) => !rare(name))));
  return folded.length ? [shown, more] : [shown];
}

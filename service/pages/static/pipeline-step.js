/** One step of the pipeline form: an operation with a field for each of its parameters. */

import { el, uniqueId } from "./dom.js";
import { makeField } from "./schema-field.js";
import { describeOperations } from "./format.js";
import { t } from "./text.js";

/** Qualities that run the photo network, of which `strength` takes a share. */
const BLENDED = ["photo", "auto"];

/**
 * @typedef {object} Step
 * @property {HTMLElement} node
 * @property {() => import("./pipeline-form.js").Operation} read
 * @property {(place: number, of: number) => void} number show its position
 */

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
  const fill = (values) => {
    const spec = specs.get(select.value);
    hint.textContent = spec.summary;
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
  select.addEventListener("change", () => {
    fill({});
    callbacks.changed();
  });
  return {
    node: el("li", {}, box),
    read: () => ({ op: select.value, ...read(fields) }),
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

function makeFields(spec) {
  const { properties, required = [] } = spec.parameters;
  const fields = {};
  for (const [name, schema] of Object.entries(properties)) {
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

/** Put rarely used free-text fields, e.g. the name of a network, under "More". */
function layOut(spec, fields) {
  const { properties } = spec.parameters;
  const rare = (name) => properties[name].type === "string" && !properties[name].enum;
  const nodes = (of) => of.map((name) => fields[name].node);
  const names = Object.keys(fields);
  const folded = nodes(names.filter(rare));
  const more = el("details", { class: "more" }, el("summary", { text: t("step.more") }), ...folded);
  const shown = el("div", { class: "fields" }, ...nodes(names.filter((name) => !rare(name))));
  return folded.length ? [shown, more] : [shown];
}

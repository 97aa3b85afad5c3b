/** Form fields made from the JSON schema of a parameter. */

import { el, uniqueId } from "./dom.js";
import { capitalize } from "./format.js";
import { t, tApi, tWord } from "./text.js";

/**
 * @typedef {object} Field
 * @property {HTMLElement} node label, control and hint
 * @property {() => any} read the value for the API; undefined: the default
 * @property {(value: any) => void} write
 * @property {((value: any, text: string) => void)|undefined} note shows a text beside a choice
 */

/** A few choices stand side by side; more are a list that opens. */
const MAX_CHOICES = 6;

/** @param {string} name @param {any} value @returns {string} as a person reads it */
function choiceText(name, value) {
  if (name === "scale") return t("choice.scale", { value: `${value}` });
  if (name === "angle") return t({ 90: "choice.right", 180: "choice.half", 270: "choice.left" }[value]);
  return tWord("value", `${value}`);
}

/** @param {string} name @param {any} schema @param {{required?: boolean}} more */
function titleOf(name, schema, { required }) {
  const word = tWord("parameter", name);
  const title = word === name ? schema.title ?? name : capitalize(word);
  return required ? t("step.required", { title }) : title;
}

/**
 * @param {string} name @param {any} schema its JSON schema
 * @param {{required?: boolean, example?: string, choices?: any[]}} more `choices`: the only valid
 *   values, where the schema does not list them
 * @returns {Field}
 */
export function makeField(name, schema, more = {}) {
  const kinds = (schema.anyOf ?? [schema]).filter((each) => each.type !== "null");
  const kind = kinds[0];
  const values = more.choices ?? kind.enum ?? (schema.multipleOf === 90 ? [90, 180, 270] : undefined);
  const id = uniqueId();
  const attributes = { id, name, "aria-describedby": `${id}-hint` };
  let field;
  if (values && values.length <= MAX_CHOICES) return choices(name, values, schema, more, kind);
  if (values) field = select(attributes, values, schema, more, kind);
  else if (kinds.length > 1) field = either(attributes, kinds);
  else if (kind.type === "boolean") field = checkbox(attributes, schema);
  else if (kind.type === "string") field = text(attributes, schema, kind, more);
  else field = number(attributes, schema, kind, more);
  const node = el(
    "div",
    { class: kind.type === "boolean" ? "field check" : "field" },
    el("label", { for: id, text: titleOf(name, schema, more) }),
    field.control,
    ...(field.list ? [field.list] : []),
    el("p", { class: "hint", id: `${id}-hint`, ...tApi(schema.description ?? "") }),
  );
  return { node, read: field.read, write: field.write };
}

/** Radio buttons in a row. Where none has to be chosen, none is checked at first. @returns {Field} */
function choices(name, values, schema, more, kind) {
  const id = uniqueId();
  const notes = new Map();
  const radios = values.map((value) => el("input", { type: "radio", name: id, value }));
  const labels = values.map((value, at) => {
    notes.set(String(value), el("small"));
    return el("label", {}, radios[at], el("span", { text: choiceText(name, value) }), notes.get(String(value)));
  });
  const node = el(
    "fieldset",
    { class: "field", "aria-describedby": `${id}-hint` },
    el("legend", { text: titleOf(name, schema, more) }),
    el("div", { class: "choices" }, ...labels),
    el("p", { class: "hint", id: `${id}-hint`, ...tApi(schema.description ?? "") }),
  );
  const fallback = schema.default ?? (more.required ? values.find((value) => `${value}` === more.example) ?? values[0] : null);
  const write = (value) => radios.forEach((radio, at) => (radio.checked = values[at] === (value ?? fallback)));
  write(null);
  const numeric = kind.type === "integer" || kind.type === "number";
  const read = () => {
    const value = values[radios.findIndex((radio) => radio.checked)];
    // Read a number even if it is the default, for titles like "Upscale ×2".
    return !numeric && value === schema.default ? undefined : value;
  };
  const note = (value, text) => (notes.get(String(value)).textContent = text);
  return { node, read, write, note };
}

function select(attributes, values, schema, more, kind) {
  const control = el("select", attributes);
  const fallback = schema.default ?? null;
  if (fallback === null && !more.required) control.append(el("option", { value: "", text: "–" }));
  control.append(...values.map((value) => el("option", { value, text: choiceText(attributes.name, value) })));
  const numeric = kind.type === "integer" || kind.type === "number";
  const first = String(fallback ?? more.example ?? control.options[0].value);
  const write = (value) => {
    control.value = value ?? first;
    if (control.selectedIndex < 0) control.value = first;
  };
  write(null);
  const read = () => {
    // Read a number even if it is the default, for titles like "Upscale ×2".
    if (control.value === "" || (!numeric && control.value === fallback)) return undefined;
    return numeric ? Number(control.value) : control.value;
  };
  return { control, read, write };
}

function checkbox(attributes, schema) {
  const control = el("input", { ...attributes, type: "checkbox" });
  const write = (value) => (control.checked = value ?? schema.default ?? false);
  write(null);
  const read = () => (control.checked === (schema.default ?? false) ? undefined : control.checked);
  return { control, read, write };
}

function text(attributes, schema, kind, { required, example }) {
  const length = { maxlength: kind.maxLength, placeholder: schema.default };
  const control = el("input", { ...attributes, ...length, type: "text", required, value: required ? example : null });
  return emptyIsDefault(control, (value) => value);
}

function number(attributes, schema, kind, more) {
  const control = el("input", {
    ...attributes,
    type: "number",
    inputmode: kind.type === "integer" ? "numeric" : "decimal",
    min: kind.minimum ?? kind.exclusiveMinimum,
    max: kind.maximum ?? kind.exclusiveMaximum,
    step: kind.type === "integer" ? "1" : "any",
    required: more.required,
    placeholder: schema.default ?? null,
    value: more.required ? more.example : null,
  });
  return emptyIsDefault(control, Number);
}

/** A text field for a number or one of several words, which it suggests. */
function either(attributes, kinds) {
  const list = el("datalist", { id: uniqueId() });
  const words = kinds.filter((each) => "const" in each).map((each) => each.const);
  list.append(...words.map((value) => el("option", { value })));
  const control = el("input", { ...attributes, type: "text", list: list.id });
  const field = emptyIsDefault(control, (value) => (isNaN(value) ? value : Number(value)));
  return { ...field, list };
}

/** A control whose empty value means the default. */
function emptyIsDefault(control, convert) {
  const read = () => (control.value === "" ? undefined : convert(control.value));
  const write = (value) => (control.value = value ?? control.defaultValue);
  return { control, read, write };
}

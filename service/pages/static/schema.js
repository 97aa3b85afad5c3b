/** Controls made of a JSON schema: as the API describes a parameter, so it is asked for. */

import { el, freshId } from "./dom.js";

/**
 * @typedef {object} Field
 * @property {HTMLElement} node label, control and hint
 * @property {() => any} read the value as the API takes it; undefined: as is the default
 * @property {(value: any) => void} write
 */

/**
 * @param {string} name @param {any} said its JSON schema
 * @param {{required?: boolean, example?: string, choices?: any[]}} more `choices`: the only values
 *   that make sense, where the schema alone does not say so
 * @returns {Field}
 */
export function field(name, said, more = {}) {
  const kind = (said.anyOf ?? [said]).find((each) => each.type !== "null");
  const values = more.choices ?? kind.enum;
  const id = freshId();
  const describe = { id, name, "aria-describedby": `${id}-hint` };
  let made;
  if (values) made = select(describe, values, said, more, kind);
  else if (kind.type === "boolean") made = checkbox(describe, said);
  else if (kind.type === "string") made = text(describe, said, kind);
  else made = number(describe, said, kind, more);
  const title = `${said.title ?? name}${more.required ? " (needed)" : ""}`;
  const node = el(
    "div",
    { class: kind.type === "boolean" ? "field check" : "field" },
    el("label", { for: id, text: title }),
    made.control,
    el("p", { class: "hint", id: `${id}-hint`, text: said.description ?? "" }),
  );
  return { node, read: made.read, write: made.write };
}

function select(describe, values, said, more, kind) {
  const control = el("select", describe);
  const fallback = said.default ?? null;
  if (fallback === null && !more.required) control.append(el("option", { value: "", text: "–" }));
  control.append(...values.map((value) => el("option", { value, text: value })));
  const numeric = kind.type === "integer" || kind.type === "number";
  const first = String(fallback ?? more.example ?? control.options[0].value);
  const write = (value) => {
    control.value = value ?? first;
    if (control.selectedIndex < 0) control.value = first;
  };
  write(null);
  const read = () => {
    // A number is worth saying even as the default: "Upscale ×2".
    if (control.value === "" || (!numeric && control.value === fallback)) return undefined;
    return numeric ? Number(control.value) : control.value;
  };
  return { control, read, write };
}

function checkbox(describe, said) {
  const control = el("input", { ...describe, type: "checkbox" });
  const write = (value) => (control.checked = value ?? said.default ?? false);
  write(null);
  const read = () => (control.checked === (said.default ?? false) ? undefined : control.checked);
  return { control, read, write };
}

function text(describe, said, kind) {
  const length = { maxlength: kind.maxLength, placeholder: said.default };
  const control = el("input", { ...describe, ...length, type: "text" });
  return plain(control, (value) => value);
}

function number(describe, said, kind, more) {
  const control = el("input", {
    ...describe,
    type: "number",
    inputmode: kind.type === "integer" ? "numeric" : "decimal",
    min: kind.minimum ?? kind.exclusiveMinimum,
    max: kind.maximum ?? kind.exclusiveMaximum,
    step: kind.type === "integer" ? "1" : "any",
    required: more.required,
    placeholder: said.default ?? null,
    value: more.required ? more.example : null,
  });
  return plain(control, Number);
}

/** A control that is empty for the default. */
function plain(control, convert) {
  const read = () => (control.value === "" ? undefined : convert(control.value));
  const write = (value) => (control.value = value ?? control.defaultValue);
  return { control, read, write };
}

/** One step of what to do: an operation with a control for each of its parameters. */

import { el, freshId } from "./dom.js";
import { field } from "./schema.js";
import { plan } from "./words.js";

/**
 * @typedef {object} Step
 * @property {HTMLElement} node
 * @property {() => import("./form.js").Operation} read
 * @property {(place: number, of: number) => void} number say where it stands
 */

/**
 * @param {Map<string, any>} listed the operations of GET /operations, by their names
 * @param {import("./form.js").Operation} given
 * @param {{move: (by: number) => void, remove: () => void, changed: () => void}} on
 * @returns {Step}
 */
export function makeStep(listed, given, on) {
  const id = freshId();
  const chosen = el("select", { id, "aria-describedby": `${id}-hint` });
  for (const op of listed.keys()) chosen.append(el("option", { value: op, text: plan([{ op }]) }));
  chosen.value = given.op;
  const hint = el("p", { class: "hint", id: `${id}-hint` });
  const place = el("div", { class: "place" });
  /** @type {Record<string, import("./schema.js").Field>} */
  let fields = {};
  const fill = (values) => {
    const spec = listed.get(chosen.value);
    hint.textContent = spec.summary;
    fields = parameters(spec);
    for (const [name, each] of Object.entries(fields)) if (name in values) each.write(values[name]);
    place.replaceChildren(...arrange(spec, fields));
  };
  const button = (name, text, onclick) =>
    el("button", { type: "button", class: `plain ${name}`, text, onclick });
  const up = button("up", "↑", () => on.move(-1));
  const down = button("down", "↓", () => on.move(1));
  const remove = button("remove", "✕", () => on.remove());
  const moves = el("div", { class: "moves" }, up, down, remove);
  const legend = el("legend");
  const label = el("label", { class: "unseen", for: id, text: "Operation" });
  const what = el("div", { class: "field what" }, label, chosen, hint);
  const box = el("fieldset", { class: "step" }, legend, what, moves, place);
  fill(given);
  chosen.addEventListener("change", () => {
    fill({});
    on.changed();
  });
  return {
    node: el("li", {}, box),
    read: () => ({ op: chosen.value, ...read(fields) }),
    number(at, of) {
      legend.textContent = of > 1 ? `Step ${at}` : "Operation";
      moves.hidden = of === 1;
      up.disabled = at === 1;
      down.disabled = at === of;
      up.setAttribute("aria-label", `Move step ${at} up`);
      down.setAttribute("aria-label", `Move step ${at} down`);
      remove.setAttribute("aria-label", `Remove step ${at}`);
    },
  };
}

function parameters(spec) {
  const { properties, required = [] } = spec.parameters;
  const made = {};
  for (const [name, said] of Object.entries(properties)) {
    // Networks come in few sizes: what is not among them would be refused.
    const known = spec.models?.map((each) => each[name]).filter((value) => value !== undefined);
    const choices = known?.length ? [...new Set(known)].sort() : undefined;
    const more = { required: required.includes(name), example: spec.example[name], choices };
    made[name] = field(name, said, more);
  }
  return made;
}

function read(fields) {
  const said = Object.entries(fields).map(([name, each]) => [name, each.read()]);
  const given = Object.fromEntries(said.filter(([, value]) => value !== undefined));
  // Both name the network, and the API takes one of them: the name is the more exact.
  if (given.model) delete given.quality;
  return given;
}

/** A name that can be anything, as a network's, is for few: it is folded away. */
function arrange(spec, fields) {
  const { properties } = spec.parameters;
  const rare = (name) => properties[name].type === "string" && !properties[name].enum;
  const nodes = (of) => of.map((name) => fields[name].node);
  const names = Object.keys(fields);
  const folded = nodes(names.filter(rare));
  const more = el("details", { class: "more" }, el("summary", { text: "More" }), ...folded);
  const shown = el("div", { class: "fields" }, ...nodes(names.filter((name) => !rare(name))));
  return folded.length ? [shown, more] : [shown];
}

/** The pictures of a set as a table: name, state, size and seconds, sorted by any of them. */

import { el, render } from "./dom.js";
import { formatDuration, formatSize, formatSource, secondsBetween } from "./format.js";
import { STATES, progressText } from "./picture-states.js";
import { canRetry } from "./retry.js";
import { LANGUAGE, t, tProblem } from "./text.js";

/** @typedef {import("./picture-list.js").Item} Item */

const sizeOf = (item) => (item.state === "done" ? item.task.results.reduce((sum, each) => sum + each.bytes, 0) : item.size);
const secondsOf = ({ task }) => (task?.finished_at ? secondsBetween(task.started_at, task.finished_at) : NaN);
const stateOf = (item) => t(item.note ? STATES[item.state].held : STATES[item.state].label);

/** Each column: its title, and what it is sorted by. */
const COLUMNS = [
  ["table.name", (item) => item.name],
  ["table.state", stateOf],
  ["table.size", sizeOf],
  ["table.time", (item) => secondsOf(item) || 0],
];

// Said again, since some browsers forget them where a narrow table is drawn as blocks.
const GROUP = { role: "rowgroup" };
const TITLE = { role: "columnheader", scope: "col" };

export class SetTable {
  /**
   * @param {{isChosen: (item: Item) => boolean, choose: (item: Item, on: boolean) => void, enlarge: (item: Item) => void,
   *   retry: (item: Item) => void, cancel: (item: Item) => void}} actions
   */
  constructor(actions) {
    this.actions = actions;
    this.column = -1; // as they were added
    this.down = false;
    /** @type {Item[]} */
    this.items = [];
    this.frame = 0; // in which the rows are drawn: an event of a group changes all of them one by one
    this.heads = COLUMNS.map(([title], at) => {
      const button = el("button", { type: "button", class: "plain", text: t(title), onclick: () => this.sort(at) });
      return el("th", TITLE, button);
    });
    const blank = (text) => el("th", TITLE, el("span", { class: "visually-hidden", text }));
    const head = el("tr", { role: "row" }, blank(t("table.choose")), this.heads, blank(t("table.actions")));
    this.body = el("tbody", GROUP);
    this.node = el("div", { class: "scroll" }, el("table", { class: "set-table", role: "table" }, el("thead", GROUP, head), this.body));
  }

  /** @param {number} column the same again: the other way round */
  sort(column) {
    this.down = column === this.column && !this.down;
    this.column = column;
    this.heads.forEach((head, at) => {
      if (at === column) head.setAttribute("aria-sort", this.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    this.show(this.items);
  }

  /** @param {Item[]} items */
  show(items) {
    this.items = items;
    this.frame ||= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.frame = 0;
    const { items } = this;
    const sorted = [...items];
    const by = COLUMNS[this.column]?.[1];
    const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b, LANGUAGE, { numeric: true }) : a - b);
    if (by) sorted.sort((a, b) => compare(by(a), by(b)) * (this.down ? -1 : 1));
    render(this.body, sorted.map((item) => this.row(item)));
    for (const box of this.body.querySelectorAll("input")) {
      const item = items.find((each) => each.id === box.closest("tr").dataset.key);
      box.checked = this.actions.isChosen(item);
    }
  }

  /** @param {Item} item */
  row(item) {
    const done = item.state === "done";
    const box = done && chooseBox(item, this.actions);
    const size = done ? t("table.sizes", { before: formatSource(item), after: formatSize(sizeOf(item)) }) : formatSource(item);
    const seconds = secondsOf(item);
    const more = item.state === "failed" && item.problem ? tProblem(item.problem) : { text: progressText(item) };
    const state = [el("span", { class: `chip ${STATES[item.state].chip}`, text: stateOf(item) }), el("span", { class: "quiet small", ...more })];
    const row = [[box], [item.name], state, [size], [Number.isFinite(seconds) && formatDuration(seconds)], this.buttons(item)];
    return el("tr", { role: "row", "data-key": item.id, "data-state": item.state }, ...row.map((cell) => el("td", { role: "cell" }, ...cell)));
  }

  /** Each has a key, since a row that is drawn again may not get another button's action. @param {Item} item */
  buttons(item) {
    const { enlarge, retry, cancel } = this.actions;
    const label = (text) => t("text.labelled", { label: text, text: item.name });
    const button = (key, text, act) =>
      el("button", { type: "button", "data-key": key, text, "aria-label": label(text), onclick: () => act(item) });
    if (item.state === "done") {
      const [result] = item.task.results;
      const single = item.task.results.length === 1 && { href: `${result.url}?download=1`, download: result.name };
      const text = t("card.download");
      const link = single && el("a", { class: "button", "data-key": `get ${result.url}`, ...single, text, "aria-label": label(text) });
      return [link, button("large", t("card.large"), enlarge)];
    }
    if (canRetry(item)) return [button("retry", t("action.retry"), retry)];
    return [STATES[item.state].shows.includes("cancel") && button("cancel", t("action.cancel"), cancel)];
  }
}

/** A box that chooses a finished picture. */
export const chooseBox = (item, { isChosen, choose }) => {
  const box = el("input", { type: "checkbox", "data-key": "choose", "aria-label": t("table.choose_named", { name: item.name }) });
  box.checked = isChosen(item);
  box.addEventListener("change", () => choose(item, box.checked));
  return box;
};

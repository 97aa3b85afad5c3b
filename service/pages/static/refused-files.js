/** Files that are not taken, each with the reason, in a box of its own: however many they are, the pictures stay in sight. */

import { byId, el, setText } from "./dom.js";
import { describeProblem } from "./problem.js";
import { t } from "./text.js";

export class RefusedFiles {
  /** @param {HTMLElement} box with a title, a button that removes all, and a list */
  constructor(box) {
    this.box = box;
    [this.title, this.all, this.list] = ["h2", "button", "ul"].map((tag) => box.querySelector(tag));
    this.all.addEventListener("click", () => {
      byId("choose").focus();
      this.forget();
    });
  }

  /** @param {{name: string}} file @param {any} problem a problem document */
  add(file, problem) {
    const remove = el("button", { type: "button", class: "plain", text: "✕" });
    remove.setAttribute("aria-label", t("upload.remove", { name: file.name }));
    const text = el("div", { class: "text" }, el("span", { class: "name", text: file.name }), ...describeProblem(problem));
    const node = el("li", { class: "refused" }, text, remove);
    remove.addEventListener("click", () => {
      const next = node.nextElementSibling ?? node.previousElementSibling;
      (next?.querySelector("button") ?? byId("choose")).focus();
      node.remove();
      this.show();
    });
    this.list.append(node);
    this.show();
  }

  forget() {
    this.list.replaceChildren();
    this.show();
  }

  show() {
    const count = this.list.children.length;
    this.box.hidden = !count;
    this.all.hidden = count < 2;
    setText(this.title, t("refused.count", { count }));
  }
}

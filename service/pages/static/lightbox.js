/** Show pictures one at a time in a dialog that fills the window. */

import { el, setText } from "./dom.js";
import { t } from "./text.js";
import { Viewer } from "./viewer.js";

/**
 * @typedef {object} Shown a picture
 * @property {string} title
 * @property {(options: object) => Promise<Viewer|HTMLElement|null>} make its view; `options` are those of a viewer
 */

/** @param {Shown[]} pictures @param {number} at the one that comes first */
export function openLightbox(pictures, at) {
  const focused = document.activeElement;
  const title = el("h2", { class: "title" });
  const count = el("span", { class: "quiet small" });
  const content = el("div", { class: "content" });
  const button = (text, label, onclick) => el("button", { type: "button", text, "aria-label": label, onclick });
  const back = button("‹", t("viewer.previous"), () => go(-1));
  const next = button("›", t("viewer.next"), () => go(1));
  const close = el("button", { type: "button", text: t("action.close"), onclick: () => dialog.close() });
  back.hidden = next.hidden = count.hidden = pictures.length < 2;
  const bar = el("div", { class: "bar" }, title, count, back, next, close);
  const dialog = el("dialog", { class: "lightbox", "aria-label": pictures[at].title }, bar, content);
  const go = (by) => {
    at = (at + by + pictures.length) % pictures.length;
    show();
  };
  const show = async () => {
    const picture = pictures[at];
    setText(title, picture.title);
    dialog.setAttribute("aria-label", picture.title);
    setText(count, t("viewer.place", { number: at + 1, total: pictures.length }));
    const made = await picture.make({ whole: true, step: pictures.length > 1 ? go : undefined });
    if (picture !== pictures[at] || !made) return;
    const inBar = bar.contains(document.activeElement); // who presses "next" again and again stays there
    content.replaceChildren(made instanceof Viewer ? made.node : made);
    if (made instanceof Viewer && !inBar) made.stage.focus();
  };
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (focused instanceof HTMLElement) focused.focus();
  });
  dialog.addEventListener("keydown", (event) => {
    // A viewer has arrows of its own; this is for pictures that are shown as a pair.
    if (pictures.length < 2 || event.defaultPrevented || event.target.closest("input, select")) return;
    if (event.key === "ArrowLeft") go(-1);
    if (event.key === "ArrowRight") go(1);
  });
  document.body.append(dialog);
  dialog.showModal();
  dialog.focus();
  show();
}

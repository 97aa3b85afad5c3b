/** Show a comparison in a full-window dialog, fitted or at 100 %. */

import { el } from "./dom.js";
import { t } from "./text.js";

/**
 * @param {string} title
 * @param {HTMLElement} content a new element; it is removed with the dialog
 */
export function openLightbox(title, content) {
  const focused = document.activeElement;
  const pan = content.querySelector(".pan") ?? content;
  pan.setAttribute("tabindex", "0"); // so that arrow keys scroll it
  pan.setAttribute("role", "region");
  pan.setAttribute("aria-label", t("compare.picture"));
  const full = el("button", { type: "button", "aria-pressed": "false", text: t("unit.percent", { value: 100 }) });
  full.addEventListener("click", () => {
    const on = dialog.classList.toggle("full");
    full.setAttribute("aria-pressed", String(on));
    const { scrollWidth, clientWidth, scrollHeight, clientHeight } = pan;
    pan.scrollTo((scrollWidth - clientWidth) / 2, (scrollHeight - clientHeight) / 2);
  });
  const close = el("button", { type: "button", text: t("action.close"), onclick: () => dialog.close() });
  const dialog = el(
    "dialog",
    { class: "lightbox", "aria-label": title },
    el("div", { class: "bar" }, el("p", { class: "title", text: title }), full, close),
    content,
  );
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (focused instanceof HTMLElement) focused.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  content.querySelector("input[type=range]")?.focus();
}

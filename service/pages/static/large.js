/** One comparison as large as the window, or by its own pixels. */

import { el } from "./dom.js";

/**
 * @param {string} title
 * @param {HTMLElement} content made anew, as it is thrown away with the window
 */
export function enlarge(title, content) {
  const back = document.activeElement;
  const pan = content.querySelector(".pan") ?? content;
  pan.setAttribute("tabindex", "0"); // so that arrow keys scroll it
  pan.setAttribute("role", "region");
  pan.setAttribute("aria-label", "Picture");
  const full = el("button", { type: "button", "aria-pressed": "false", text: "100 %" });
  full.addEventListener("click", () => {
    const on = dialog.classList.toggle("full");
    full.setAttribute("aria-pressed", String(on));
    const { scrollWidth, clientWidth, scrollHeight, clientHeight } = pan;
    pan.scrollTo((scrollWidth - clientWidth) / 2, (scrollHeight - clientHeight) / 2);
  });
  const close = el("button", { type: "button", text: "Close", onclick: () => dialog.close() });
  const dialog = el(
    "dialog",
    { class: "large", "aria-label": title },
    el("div", { class: "bar" }, el("p", { class: "title", text: title }), full, close),
    content,
  );
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (back instanceof HTMLElement) back.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  content.querySelector("input[type=range]")?.focus();
}

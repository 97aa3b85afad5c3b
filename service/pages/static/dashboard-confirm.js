// The confirmation dialog, also used for messages.

import { byId } from "./dom.js";
import { t } from "./text.js";

const dialog = byId("confirm");

/** Ask for confirmation; resolve to whether `yes` was pressed. Without `yes` it is only a message. */
export function confirmAction(title, text, yes = "") {
  byId("confirm-title").textContent = title;
  byId("confirm-text").textContent = text;
  byId("confirm-yes").textContent = yes;
  byId("confirm-yes").hidden = !yes;
  byId("confirm-no").textContent = t(yes ? "confirm.back" : "action.close");
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

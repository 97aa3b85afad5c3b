/** The list of shortcuts, opened by a button or by the key "?". */

import { byId } from "./dom.js";

export function offerShortcuts() {
  const dialog = byId("shortcut-list");
  const open = () => dialog.open || dialog.showModal();
  byId("shortcuts").addEventListener("click", open);
  window.addEventListener("keydown", (event) => {
    if (event.key === "?" && !event.target.closest?.("input:not([type=range], [type=radio]), select, textarea")) open();
  });
}

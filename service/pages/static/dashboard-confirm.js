// The confirmation dialog, also used for messages.

const dialog = document.getElementById("confirm");

/** Ask for confirmation; resolve to whether `yes` was pressed. Without `yes` it is only a message. */
export function confirmAction(title, text, yes, no = "Go back") {
  dialog.querySelector("#confirm-title").textContent = title;
  dialog.querySelector("#confirm-text").textContent = text;
  const button = dialog.querySelector("#confirm-yes");
  button.textContent = yes;
  button.hidden = !yes;
  dialog.querySelector('[value="no"]').textContent = no;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

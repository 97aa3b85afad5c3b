// The question before something is done that cannot be undone.

const dialog = document.getElementById("sure");

/** Ask; give whether the answer was yes. Without `yes` there is nothing to decide. */
export function sure(title, text, yes, no = "Keep it as it is") {
  dialog.querySelector("#sure-title").textContent = title;
  dialog.querySelector("#sure-text").textContent = text;
  const button = dialog.querySelector("#sure-yes");
  button.textContent = yes;
  button.hidden = !yes;
  dialog.querySelector('[value="no"]').textContent = no;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((answer) => {
    dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), { once: true });
  });
}

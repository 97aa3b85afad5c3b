/** The form that sends the results of a picture set by e-mail. */

import { ApiError, callApi, withRetries } from "./api.js";
import { el, setText, uniqueId } from "./dom.js";
import { t, tApi } from "./text.js";

/**
 * @param {(email: string) => Promise<{group_id: string}>} makeGroup makes a group with that address
 * @returns {{open: HTMLButtonElement, form: HTMLFormElement}} the form, and the button that shows it
 */
export function makeEmailForm(makeGroup) {
  const inputId = uniqueId();
  const input = el("input", { id: inputId, type: "email", autocomplete: "email", required: true });
  const status = el("p", { class: "small", role: "status" });
  const send = el("button", { type: "submit", class: "primary", text: t("mail.send") });
  const label = el("label", { for: inputId, text: t("mail.address") });
  const row = el("div", { class: "row" }, input, send);
  const form = el("form", { class: "mail", hidden: true }, label, row, status);
  const open = el("button", { type: "button", "aria-expanded": "false", text: t("mail.open") });
  open.addEventListener("click", () => {
    form.hidden = !form.hidden;
    open.setAttribute("aria-expanded", String(!form.hidden));
    if (!form.hidden) input.focus();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    send.disabled = true;
    setText(status, t("mail.sending"));
    try {
      const { group_id: id } = await makeGroup(input.value);
      const notify = (text) => text && setText(status, text);
      const response = await withRetries(() => callApi("POST", `/send_images/${id}`), notify);
      setText(status, tApi(response.detail).text);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setText(status, t("mail.failed", { detail: error.message, code: error.problem.code }));
    }
    send.disabled = false;
    send.focus();
  });
  return { open, form };
}

/** A letter with the results of a set: an address, a button, and what the API says to it. */

import { Problem, call, patiently } from "./api.js";
import { el, freshId, say } from "./dom.js";

/**
 * @param {(email: string) => Promise<{group_id: string}>} group makes a group with that address
 * @returns {{open: HTMLButtonElement, form: HTMLFormElement}} a button that shows the form
 */
export function letter(group) {
  const id = freshId();
  const input = el("input", { id, type: "email", autocomplete: "email", required: true });
  const news = el("p", { class: "small", role: "status" });
  const send = el("button", { type: "submit", class: "first", text: "Send" });
  const label = el("label", { for: id, text: "Send the results to this address" });
  const line = el("div", { class: "row" }, input, send);
  const form = el("form", { class: "mail", hidden: true }, label, line, news);
  const open = el("button", { type: "button", "aria-expanded": "false", text: "E-mail" });
  open.addEventListener("click", () => {
    form.hidden = !form.hidden;
    open.setAttribute("aria-expanded", String(!form.hidden));
    if (!form.hidden) input.focus();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    send.disabled = true;
    say(news, "asking …");
    try {
      const { group_id: made } = await group(input.value);
      const note = (text) => text && say(news, text);
      const said = await patiently(() => call("POST", `/send_images/${made}`), note);
      say(news, said.detail);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      say(news, `${error.message} (${error.facts.code})`);
    }
    send.disabled = false;
    send.focus();
  });
  return { open, form };
}

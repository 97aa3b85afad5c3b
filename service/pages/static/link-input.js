/** Accept links of pictures, which the server fetches: typed, or pasted anywhere but into a field. */

import { byId } from "./dom.js";

const LINK = /^https?:\/\/./i;

/** @param {(links: string[]) => void} onLinks gets what was typed, also if it is no link */
export function acceptLinks(onLinks) {
  const field = byId("link");
  if (!field) return; // FETCH_URLS does not allow it
  const words = (text) => text.split(/\s+/).filter(Boolean);
  const take = () => {
    onLinks(words(field.value));
    field.value = "";
  };
  byId("add-link").addEventListener("click", take);
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault(); // or it would start the pictures
    take();
  });
  window.addEventListener("paste", (event) => {
    if (event.target.closest?.("input, textarea") || event.clipboardData?.files.length) return;
    const pasted = words(event.clipboardData?.getData("text/plain") ?? "");
    if (!pasted.length || !pasted.every((each) => LINK.test(each))) return;
    event.preventDefault();
    onLinks(pasted);
  });
}

/** @param {string} text @returns {string} the name of the picture at a link; "" if it is no link */
export function nameOf(text) {
  if (!LINK.test(text) || !URL.canParse(text)) return "";
  const { pathname, host } = new URL(text);
  const last = pathname.split("/").at(-1);
  try {
    return decodeURIComponent(last) || host;
  } catch {
    return last;
  }
}

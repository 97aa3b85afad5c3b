/** Pictures come in: dropped anywhere on the page, pasted, or chosen. */

import { byId, say } from "./dom.js";

/** @param {(files: File[]) => void} take */
export function listen(take) {
  const drop = byId("drop");
  const files = byId("files");
  const has = (event) => event.dataTransfer?.types.includes("Files");
  let depth = 0; // enter and leave come for each element on the way

  byId("choose").addEventListener("click", () => files.click());
  drop.addEventListener("click", (event) => {
    if (!event.target.closest("button, input")) files.click();
  });
  byId("sample").addEventListener("click", async () => {
    const label = byId("sample").querySelector("span");
    try {
      const answer = await fetch("/static/sample.png");
      if (!answer.ok) throw new Error(`the answer was ${answer.status}`);
      const file = new File([await answer.blob()], "chelsea.png", { type: "image/png" });
      say(label, "Try it with a cat");
      take([file]);
    } catch {
      say(label, "The cat cannot be fetched just now; try again");
    }
  });
  files.addEventListener("change", () => {
    take([...files.files]);
    files.value = ""; // or the same file could not be chosen twice
  });
  const over = (change) => {
    depth = Math.max(0, depth + change);
    drop.classList.toggle("over", depth > 0);
  };
  window.addEventListener("dragenter", (event) => has(event) && over(1));
  window.addEventListener("dragleave", (event) => has(event) && over(-1));
  window.addEventListener("dragover", (event) => has(event) && event.preventDefault());
  window.addEventListener("drop", (event) => {
    over(-depth);
    if (!has(event)) return;
    event.preventDefault(); // or the browser would show the file instead of this page
    take([...event.dataTransfer.files]);
  });
  window.addEventListener("paste", (event) => {
    const pasted = [...(event.clipboardData?.files ?? [])];
    if (!pasted.length) return;
    event.preventDefault();
    take(pasted);
  });
}

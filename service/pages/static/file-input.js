/** Accept image files: dropped anywhere on the page, pasted, chosen, or the sample. */

import { byId, setText } from "./dom.js";

/** @param {(files: File[]) => void} onFiles */
export function acceptFiles(onFiles) {
  const drop = byId("drop");
  const files = byId("files");
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  let depth = 0; // dragenter and dragleave fire for nested elements too

  byId("choose").addEventListener("click", () => files.click());
  drop.addEventListener("click", (event) => {
    if (!event.target.closest("button, input")) files.click();
  });
  byId("sample").addEventListener("click", async () => {
    const label = byId("sample").querySelector("span");
    try {
      const response = await fetch("/static/sample.png");
      if (!response.ok) throw new Error(`HTTP status ${response.status}`);
      const file = new File([await response.blob()], "chelsea.png", { type: "image/png" });
      setText(label, "Try it with a cat");
      onFiles([file]);
    } catch {
      setText(label, "The sample cannot be loaded; try again");
    }
  });
  files.addEventListener("change", () => {
    onFiles([...files.files]);
    files.value = ""; // or the same file could not be chosen twice
  });
  const changeDepth = (change) => {
    depth = Math.max(0, depth + change);
    drop.classList.toggle("over", depth > 0);
  };
  window.addEventListener("dragenter", (event) => hasFiles(event) && changeDepth(1));
  window.addEventListener("dragleave", (event) => hasFiles(event) && changeDepth(-1));
  window.addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  window.addEventListener("drop", (event) => {
    changeDepth(-depth);
    if (!hasFiles(event)) return;
    event.preventDefault(); // or the browser would open the file
    onFiles([...event.dataTransfer.files]);
  });
  window.addEventListener("paste", (event) => {
    const pasted = [...(event.clipboardData?.files ?? [])];
    if (!pasted.length) return;
    event.preventDefault();
    onFiles(pasted);
  });
}

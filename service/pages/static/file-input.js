/** Accept image files: dropped anywhere on the page, pasted, chosen, or the sample. */

import { byId, setText } from "./dom.js";
import { t } from "./text.js";

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
  const label = byId("sample").querySelector("span");
  const invitation = label.textContent;
  byId("sample").addEventListener("click", async () => {
    try {
      const response = await fetch("/static/sample.jpg");
      if (!response.ok) throw new Error(response.statusText);
      const file = new File([await response.blob()], "chelsea.jpg", { type: "image/jpeg" });
      setText(label, invitation);
      onFiles([file]);
    } catch {
      setText(label, t("upload.sample_failed"));
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

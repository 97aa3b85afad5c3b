/**
 * Mark the page while it is used by pointer, so that focus which a script moves shows its ring only to the keyboard: after
 * a drop, a box around the next button looks like an error.
 */

const { dataset } = document.documentElement;
const byPointer = () => (dataset.pointer = "");
byPointer(); // until a key is pressed
for (const kind of ["pointerdown", "drop", "paste"]) window.addEventListener(kind, byPointer, true);
window.addEventListener(
  "keydown",
  ({ ctrlKey, metaKey }) => {
    if (!ctrlKey && !metaKey) delete dataset.pointer; // Ctrl+V comes from people with a mouse, too
  },
  true,
);

/** What a hand does on the viewer's stage: drag, wheel, pinch, swipe, double click, keys. */

const SWIPE = 60; // CSS pixels; less is a shaky drag
const WHEEL_STEP = 0.0016; // of the exponent: a notch of 120 zooms by 1.2
const PINCH_WHEEL = 8; // browsers report a trackpad's pinch as small steps with ctrl
const KEY_STEP = 1.25;
const KEY_PAN = 80; // CSS pixels
const LINE = 16; // CSS pixels, for wheels that count lines

/**
 * @typedef {object} Target what the gestures act on; points are clientX and clientY
 * @property {(dx: number, dy: number) => void} pan by CSS pixels
 * @property {(factor: number, at?: {clientX: number, clientY: number}) => void} zoom about a point, or the middle
 * @property {(at?: {clientX: number, clientY: number}) => void} actual 100 %, or fitted if it is at 100 %
 * @property {() => void} fit
 * @property {() => void} toggleSide
 * @property {() => number} place where the view stands horizontally; unchanged: there was nothing to pan
 * @property {((by: number) => void)|null} step to the next or previous picture; null: there is no other
 * @property {boolean} whole whether the stage owns the window, and no page needs the wheel to scroll
 */

/** @param {HTMLElement} stage @param {HTMLElement} root of the viewer, which gets the keys @param {Target} target */
export function attachGestures(stage, root, target) {
  /** @type {Map<number, {clientX: number, clientY: number}>} */
  const pointers = new Map();
  let swipe = null;
  const spread = () => {
    const [a, b] = [...pointers.values()];
    const middle = { clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 };
    return { distance: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY), middle };
  };

  stage.addEventListener("pointerdown", (event) => {
    if (event.button || event.target.closest("input, .map")) return;
    if (event.pointerType === "mouse") event.preventDefault(); // or the browser would drag the image
    stage.focus({ preventScroll: true });
    stage.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, event);
    swipe = pointers.size === 1 && event.pointerType !== "mouse" ? { event, place: target.place() } : null;
  });
  stage.addEventListener("pointermove", (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const before = pointers.size === 2 ? spread() : null;
    pointers.set(event.pointerId, event);
    if (!before) {
      target.pan(event.clientX - last.clientX, event.clientY - last.clientY);
      return;
    }
    const { distance, middle } = spread();
    target.pan(middle.clientX - before.middle.clientX, middle.clientY - before.middle.clientY);
    if (before.distance > 0) target.zoom(distance / before.distance, middle);
  });
  const release = (event) => {
    pointers.delete(event.pointerId);
    if (event.type !== "pointerup" || !swipe || !target.step) return;
    const dx = event.clientX - swipe.event.clientX;
    const dy = event.clientY - swipe.event.clientY;
    const still = Math.abs(target.place() - swipe.place) < 1; // it was at its edge already
    if (still && Math.abs(dx) > SWIPE && Math.abs(dx) > 2 * Math.abs(dy)) target.step(dx < 0 ? 1 : -1);
    swipe = null;
  };
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);
  stage.addEventListener("dblclick", (event) => {
    if (!event.target.closest("input, .map")) target.actual(event);
  });
  stage.addEventListener(
    "wheel",
    (event) => {
      // In a page the wheel scrolls until someone works with the viewer.
      if (!target.whole && !event.ctrlKey && !stage.contains(document.activeElement)) return;
      event.preventDefault();
      const delta = event.deltaY * (event.deltaMode ? LINE : 1) * (event.ctrlKey ? PINCH_WHEEL : 1);
      target.zoom(Math.exp(-WHEEL_STEP * Math.max(-480, Math.min(480, delta))), event);
    },
    { passive: false },
  );
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select")) return;
    const act = keys(target, event.shiftKey, event.target.closest("input"))[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

/** @param {Target} target @param {boolean} shift @param {Element|null} range that has the focus, and the arrows */
function keys(target, shift, range) {
  const always = {
    "+": () => target.zoom(KEY_STEP),
    "=": () => target.zoom(KEY_STEP),
    "-": () => target.zoom(1 / KEY_STEP),
    0: () => target.fit(),
    1: () => target.actual(),
    s: () => target.toggleSide(),
  };
  if (range) return always;
  const across = (by) => () => (target.step && !shift ? target.step(by) : target.pan(-by * KEY_PAN, 0));
  return {
    ...always,
    ArrowLeft: across(-1),
    ArrowRight: across(1),
    ArrowUp: () => target.pan(0, KEY_PAN),
    ArrowDown: () => target.pan(0, -KEY_PAN),
  };
}

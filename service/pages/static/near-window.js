/** Do work for an element only once it comes near the window, since pictures take memory. */

/** @type {WeakMap<Element, () => void>} */
const waiting = new WeakMap();
const observer = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      observer.unobserve(target);
      waiting.get(target)?.();
    }
  },
  { rootMargin: "400px" },
);

/** Call `work` once, when `node` is near the window; it replaces work that still waits. */
export function whenNear(node, work) {
  waiting.set(node, work);
  observer.unobserve(node); // or an element that is observed already would not be reported again
  observer.observe(node);
}

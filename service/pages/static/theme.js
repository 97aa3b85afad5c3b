/**
 * Light or dark, as the person chose or as the system says. Not a module: it runs before the page is drawn, or a dark page
 * would flash in white.
 */

(() => {
  const KEY = "darkroom.theme";
  const apply = (theme) => {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
  };
  let chosen = "";
  try {
    chosen = localStorage.getItem(KEY) ?? "";
  } catch {
    // Storage may be forbidden; then each page starts with the system's.
  }
  apply(chosen);
  document.addEventListener("DOMContentLoaded", () => {
    const select = document.getElementById("theme");
    select.value = chosen;
    select.addEventListener("change", () => {
      apply(select.value);
      try {
        localStorage.setItem(KEY, select.value);
      } catch {
        // As above.
      }
    });
  });
})();

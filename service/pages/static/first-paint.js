/**
 * Before the page is drawn: light or dark, as the person chose or as the system says; a dark page would flash in white. So this
 * is not a module. Once it is drawn: the other scripts; to fetch and compile fifty files takes as long as to draw the page.
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
  const { modules, imported = "" } = document.currentScript.dataset;
  const urls = (names) => names.split(" ").filter(Boolean).map((name) => `/static/${name}`);
  const load = () => {
    // All at once: by their imports they would come in four rounds.
    const links = urls(imported).map((href) => Object.assign(document.createElement("link"), { rel: "modulepreload", href }));
    document.head.append(...links);
    // Elements, and not import(): its promise is rejected where a person leaves before the script came.
    const scripts = urls(modules).map((src) => Object.assign(document.createElement("script"), { type: "module", src }));
    document.head.append(...scripts);
  };
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
  if (document.hidden) load(); // nothing is drawn in the background
  else new PerformanceObserver(load).observe({ type: "paint", buffered: true });
})();

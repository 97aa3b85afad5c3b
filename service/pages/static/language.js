/** The switch of the language: the choice is a cookie, since the server makes the page; the page is loaded again. */

const YEAR = 31_536_000; // s

for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => {
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `darkroom_language=${button.dataset.language}; Path=/; Max-Age=${YEAR}; SameSite=Lax${secure}`;
    location.reload();
  });
}

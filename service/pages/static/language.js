/** The switch of the language: the choice is a cookie, since the server makes the page; the page is loaded again. */

const YEAR = 31_536_000; // s
const buttons = document.querySelectorAll("[data-language]");

for (const button of buttons) {
  button.addEventListener("click", () => {
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `darkroom_language=${button.dataset.language}; Path=/; Max-Age=${YEAR}; SameSite=Lax${secure}`;
    history.replaceState({ switched: true }, "");
    location.reload();
  });
}

if (history.state?.switched) {
  history.replaceState(null, "");
  buttons[0]?.focus(); // as before it was loaded again
}

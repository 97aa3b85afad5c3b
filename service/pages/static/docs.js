/* GET /docs: find a call, copy a command, try it. The page says everything without this, too. */

import { el } from "./dom.js";

/** What earlier answers said; fills the paths of later calls. */
const known = {};

for (const button of document.querySelectorAll(".copy")) arm(button);
for (const details of document.querySelectorAll(".try")) prepare(details);
contents();

function arm(button) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const text = button.previousElementSibling.textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(button.previousElementSibling);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
}

function contents() {
  const filter = document.getElementById("filter");
  const details = filter.closest("details");
  // On a phone the calls come first; what is in the way is closed.
  const wide = matchMedia("(min-width: 60rem)");
  details.open = wide.matches;
  wide.addEventListener("change", () => { details.open = wide.matches; });
  filter.hidden = false;
  filter.addEventListener("input", () => {
    const asked = filter.value.trim().toLowerCase();
    for (const group of details.querySelectorAll("ul ul")) {
      let left = 0;
      for (const link of group.querySelectorAll("a")) {
        const fits = `${link.textContent} ${link.dataset.say}`.toLowerCase().includes(asked);
        link.parentElement.hidden = !fits;
        left += fits;
      }
      group.parentElement.hidden = !left;
    }
  });
  filter.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    details.querySelector("ul ul li:not([hidden]) > a")?.click();
  });
}

function prepare(details) {
  const call = details.closest(".call");
  const form = details.querySelector("form");
  details.hidden = false;
  details.addEventListener("toggle", () => { if (details.open) recall(form); });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(call, form, details.querySelector(".answer"));
  });
}

/** Fill what is empty with what earlier answers said. */
function recall(form) {
  const path = form.closest(".call").dataset.path;
  for (const input of form.querySelectorAll('[data-place="path"]')) {
    let said = known.task;
    if (input.name === "name") said = known.name;
    else if (path.startsWith("/status/") || path.startsWith("/send_images/")) said = known.group;
    if (!input.value && said) input.value = said;
  }
}

async function send(call, form, answer) {
  const button = form.querySelector("button");
  const sent = form.querySelector('[data-part="sent"]');
  const request = read(call, form);
  const shown = [command(request)];
  answer.replaceChildren(...shown);
  button.setAttribute("aria-disabled", "true");
  sent.textContent = "Waiting for the answer";
  const began = performance.now();
  try {
    const response = await fetch(request.url, { method: request.method, body: request.body, headers: request.headers });
    const took = Math.round(performance.now() - began);
    shown.push(status(response, took), ...await content(response));
    sent.textContent = "";
  } catch (error) {
    shown.push(el("p", { class: "problem" }, `There is no answer: ${error.message}`));
    sent.textContent = "";
  } finally {
    button.removeAttribute("aria-disabled");
    answer.replaceChildren(...shown);
  }
}

/** Return what the form asks for, and the same as arguments of curl. */
function read(call, form) {
  const { method, media } = call.dataset;
  let { path } = call.dataset;
  const query = new URLSearchParams();
  const fields = new FormData();
  const curl = [];
  let lines = null;
  for (const control of form.elements) {
    const { place } = control.dataset;
    if (!place) continue;
    if (control.type === "file") {
      for (const file of control.files) {
        fields.append(control.name, file);
        curl.push("-F", quoted(`${control.name}=@${file.name}`));
      }
    } else if (place === "path") {
      path = path.replace(`{${control.name}}`, encodeURIComponent(control.value.trim()));
    } else if (place === "body") {
      lines = control.value;
      curl.push("-H", quoted(`Content-Type: ${media}`), "-d", quoted(lines));
    } else if (control.value === "") {
      continue;
    } else if (place === "query") {
      query.append(control.name, control.value);
    } else {
      fields.append(control.name, control.value);
      curl.push("-F", quoted(`${control.name}=${control.value}`));
    }
  }
  const url = `${path}${query.size ? `?${query}` : ""}`;
  return {
    method,
    url,
    body: lines ?? (media ? fields : undefined),
    headers: lines === null ? {} : { "Content-Type": media },
    curl: [...(method === "GET" || (method === "POST" && media) ? [] : ["-X", method]), ...curl, quoted(`${location.origin}${url}`)],
  };
}

function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function command(request) {
  const copy = el("button", { type: "button", class: "copy" }, "Copy");
  const text = el("pre", {}, el("code", {}, `curl ${request.curl.join(" ")}`));
  const box = el("div", { class: "command" }, text, copy);
  arm(copy);
  return box;
}

function status(response, took) {
  const kind = response.ok ? "good" : "bad";
  const told = [`${took} ms`];
  for (const name of ["Content-Type", "Location", "ETag", "Retry-After"]) {
    const value = response.headers.get(name);
    if (value) told.push(`${name}: ${value}`);
  }
  if (response.redirected) told.push(`from ${new URL(response.url).pathname}`);
  return el(
    "p",
    { class: "row" },
    el("strong", { class: `chip ${kind}` }, `${response.status} ${response.statusText}`),
    el("span", { class: "quiet small" }, told.join(", ")),
  );
}

/** Return what shows the body: JSON in lines, a picture, text, or a link to save it. */
async function content(response) {
  const kind = (response.headers.get("Content-Type") ?? "").split(";")[0];
  if (kind.endsWith("json")) {
    const said = await response.json();
    remember(said);
    return [lines(JSON.stringify(said, null, 2))];
  }
  if (kind.startsWith("text/")) return [lines((await response.text()).slice(0, 20000))];
  const blob = await response.blob();
  if (!blob.size) return [];
  const address = URL.createObjectURL(blob);
  const name = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "")?.[1] ?? "answer";
  const link = el("a", { href: address, download: name, class: "button" }, `Save ${name}, ${blob.size} bytes`);
  const row = el("p", { class: "row" }, link);
  if (!kind.startsWith("image/")) return [row];
  return [el("img", { src: address, alt: `The answer: ${name}` }), row];
}

function lines(text) {
  return el("pre", { tabindex: 0, role: "region", "aria-label": "Body of the answer" }, text);
}

function remember(said) {
  const task = said.tasks?.[0] ?? said;
  known.task = task.task_id ?? said.submission_task_id ?? known.task;
  known.group = said.group_id ?? known.group;
  known.name = task.results?.[0]?.name ?? known.name;
}

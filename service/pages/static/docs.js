/* GET /docs: find an endpoint, copy a command, try it. The page is complete without this script. */

import { byId, el } from "./dom.js";
import { t } from "./text.js";

/** Ids from earlier responses, filled into later paths. */
const ids = {};

for (const button of document.querySelectorAll(".copy")) enableCopy(button);
for (const details of document.querySelectorAll(".try")) enableTryIt(details);
enableContents();

function enableCopy(button) {
  button.textContent = t("docs.copy");
  button.hidden = false;
  button.addEventListener("click", async () => {
    const text = button.previousElementSibling.textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = t("docs.copied");
    } catch {
      getSelection().selectAllChildren(button.previousElementSibling);
      button.textContent = t("docs.selected");
    }
    setTimeout(() => { button.textContent = t("docs.copy"); }, 2000);
  });
}

function enableContents() {
  const filter = byId("filter");
  const details = filter.closest("details");
  // On narrow screens the contents start closed, so that the endpoints come first.
  const wide = matchMedia("(min-width: 60rem)");
  details.open = wide.matches;
  wide.addEventListener("change", () => { details.open = wide.matches; });
  filter.hidden = false;
  filter.addEventListener("input", () => {
    const text = filter.value.trim().toLowerCase();
    for (const group of details.querySelectorAll("ul ul")) {
      let matches = 0;
      for (const link of group.querySelectorAll("a")) {
        const fits = `${link.textContent} ${link.dataset.summary}`.toLowerCase().includes(text);
        link.parentElement.hidden = !fits;
        matches += fits;
      }
      group.parentElement.hidden = !matches;
    }
  });
  filter.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    details.querySelector("ul ul li:not([hidden]) > a")?.click();
  });
}

function enableTryIt(details) {
  const call = details.closest(".call");
  const form = details.querySelector("form");
  details.hidden = false;
  details.addEventListener("toggle", () => { if (details.open) fillIds(form); });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(call, form, details.querySelector(".response"));
  });
}

/** Fill empty path fields with ids from earlier responses. */
function fillIds(form) {
  const path = form.closest(".call").dataset.path;
  for (const input of form.querySelectorAll('[data-place="path"]')) {
    let id = ids.task;
    if (input.name === "name") id = ids.name;
    else if (path.startsWith("/status/") || path.startsWith("/send_images/")) id = ids.group;
    if (!input.value && id) input.value = id;
  }
}

async function send(call, form, output) {
  const button = form.querySelector("button");
  const sent = form.querySelector('[data-part="sent"]');
  const request = readForm(call, form);
  const parts = [command(request)];
  output.replaceChildren(...parts);
  button.setAttribute("aria-disabled", "true");
  sent.textContent = t("docs.waiting");
  const began = performance.now();
  try {
    const response = await fetch(request.url, { method: request.method, body: request.body, headers: request.headers });
    const took = Math.round(performance.now() - began);
    parts.push(status(response, took), ...await content(response));
    sent.textContent = "";
  } catch (error) {
    parts.push(el("p", { class: "problem" }, t("docs.no_response", { reason: error.message })));
    sent.textContent = "";
  } finally {
    button.removeAttribute("aria-disabled");
    output.replaceChildren(...parts);
  }
}

/** Return the request of the form, and the same as arguments of curl. */
function readForm(call, form) {
  const { method, media } = call.dataset;
  let { path } = call.dataset;
  const [query, fields, curl] = [new URLSearchParams(), new FormData(), []];
  let [body, kind] = [null, media];
  for (const control of form.elements) {
    const { place } = control.dataset;
    if (!place) continue;
    if (control.type === "file" && place === "body") {
      [body] = control.files;
      kind = body?.type ?? kind;
      curl.push("-T", quoted(body?.name ?? ""));
    } else if (control.type === "file") {
      for (const file of control.files) {
        fields.append(control.name, file);
        curl.push("-F", quoted(`${control.name}=@${file.name}`));
      }
    } else if (place === "path") {
      path = path.replace(`{${control.name}}`, encodeURIComponent(control.value.trim()));
    } else if (place === "body") {
      body = control.value;
      curl.push("-H", quoted(`Content-Type: ${media}`), "-d", quoted(body));
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
    body: body ?? (media ? fields : undefined),
    headers: body === null ? {} : { "Content-Type": kind },
    curl: [...(["GET", "PUT"].includes(method) || (method === "POST" && media) ? [] : ["-X", method]), ...curl, quoted(`${location.origin}${url}`)],
  };
}

function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function command(request) {
  const copy = el("button", { type: "button", class: "copy" });
  const text = el("pre", {}, el("code", {}, `curl ${request.curl.join(" ")}`));
  const box = el("div", { class: "command" }, text, copy);
  enableCopy(copy);
  return box;
}

function status(response, took) {
  const kind = response.ok ? "good" : "bad";
  const details = [t("time.ms", { value: took })];
  for (const name of ["Content-Type", "Location", "ETag", "Retry-After"]) {
    const value = response.headers.get(name);
    if (value) details.push(`${name}: ${value}`);
  }
  if (response.redirected) details.push(t("docs.redirected", { path: new URL(response.url).pathname }));
  return el(
    "p",
    { class: "row" },
    el("strong", { class: `chip ${kind}` }, `${response.status} ${response.statusText}`),
    el("span", { class: "quiet small" }, details.join(", ")),
  );
}

/** Return elements for the body: JSON, text, an image, or a download link. */
async function content(response) {
  const kind = (response.headers.get("Content-Type") ?? "").split(";")[0];
  if (kind.endsWith("json")) {
    const body = await response.json();
    rememberIds(body);
    return [textBlock(JSON.stringify(body, null, 2))];
  }
  if (kind.startsWith("text/")) return [textBlock((await response.text()).slice(0, 20000))];
  const blob = await response.blob();
  if (!blob.size) return [];
  const address = URL.createObjectURL(blob);
  const name = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "")?.[1] ?? "response";
  const link = el("a", { href: address, download: name, class: "button" }, t("docs.save", { name, count: blob.size }));
  const row = el("p", { class: "row" }, link);
  if (!kind.startsWith("image/")) return [row];
  return [el("img", { src: address, alt: t("docs.response", { name }) }), row];
}

function textBlock(text) {
  return el("pre", { tabindex: 0, role: "region", "aria-label": t("docs.body") }, text);
}

function rememberIds(body) {
  const task = body.tasks?.[0] ?? body;
  ids.task = task.task_id ?? body.submission_task_id ?? ids.task;
  ids.group = body.group_id ?? ids.group;
  ids.name = task.results?.[0]?.name ?? ids.name;
}

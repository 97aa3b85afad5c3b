// Asking the dashboard's API: what it refuses becomes a Refusal, what does not answer an Away.

const ROOT = "/dashboard/api/";
const PATIENCE = 15000; // ms for one answer

export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `the service answered ${status}`);
    this.status = status;
    this.code = problem.code;
  }
}
export class Away extends Error {}

let ahead = 0; // ms by which the service's clock is ahead of this one

export const now = () => Date.now() + ahead;

/** GET; what has not changed comes from the browser's cache, after a question without a body. */
export const ask = (path, query = {}) => call("GET", path, query);
export const act = (path) => call("POST", path, {});

async function call(method, path, query) {
  const given = Object.entries(query).filter(([, value]) => value);
  const url = ROOT + path + (given.length ? `?${new URLSearchParams(given)}` : "");
  let response;
  let body;
  try {
    const headers = { Accept: "application/json" };
    const signal = AbortSignal.timeout(PATIENCE);
    response = await fetch(url, { method, headers, signal, cache: "no-cache", credentials: "same-origin" });
    body = await response.json();
  } catch {
    throw new Away(response ? `the service answered ${response.status}` : "the service does not answer");
  }
  if (response.status === 401) {
    // The session is over: back to here after the login.
    location.assign(`/dashboard${location.search}`);
  }
  const date = Date.parse(response.headers.get("Date"));
  if (date) ahead = Math.abs(date - Date.now()) > 2000 ? date - Date.now() : 0;
  if (!response.ok) throw new Refusal(response.status, body);
  return body;
}

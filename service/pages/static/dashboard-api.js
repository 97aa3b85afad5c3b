// Asking the dashboard's API.

import { call } from "./api.js";

const ROOT = "/dashboard/api/";
const PATIENCE = 15000; // ms for one answer

let ahead = 0; // ms by which the service's clock is ahead of this one

export const now = () => Date.now() + ahead;

/** GET; what has not changed comes from the browser's cache, after a question without a body. */
export const ask = (path, query = {}) => asked("GET", path, query);
export const act = (path) => asked("POST", path, {});

function asked(method, path, query) {
  const given = Object.entries(query).filter(([, value]) => value);
  const url = ROOT + path + (given.length ? `?${new URLSearchParams(given)}` : "");
  return call(method, url, undefined, { cache: "no-cache", signal: AbortSignal.timeout(PATIENCE), heard });
}

function heard(response) {
  // The session is over: back to here after the login.
  if (response.status === 401) location.assign(`/dashboard${location.search}`);
  const date = Date.parse(response.headers.get("Date"));
  if (date) ahead = Math.abs(date - Date.now()) > 2000 ? date - Date.now() : 0;
}

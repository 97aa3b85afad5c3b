// Calls to the dashboard API.

import { callApi } from "./api.js";

const ROOT = "/dashboard/api/";
const TIMEOUT = 15000; // ms for one response

let clockOffset = 0; // ms by which the service's clock is ahead of this browser's

export const now = () => Date.now() + clockOffset;

/** GET; the browser revalidates its cache, so unchanged data is answered 304 without a body. */
export const get = (path, query = {}) => request("GET", path, query);
export const post = (path) => request("POST", path, {});

function request(method, path, query) {
  const parameters = Object.entries(query).filter(([, value]) => value);
  const url = ROOT + path + (parameters.length ? `?${new URLSearchParams(parameters)}` : "");
  return callApi(method, url, undefined, { cache: "no-cache", signal: AbortSignal.timeout(TIMEOUT), onResponse });
}

function onResponse(response) {
  // The session has expired: the login leads back to this page.
  if (response.status === 401) location.assign(`/dashboard${location.search}`);
  const date = Date.parse(response.headers.get("Date"));
  if (date) clockOffset = Math.abs(date - Date.now()) > 2000 ? date - Date.now() : 0;
}

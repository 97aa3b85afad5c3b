/** Calls to the API: JSON requests, uploads with progress, errors and retries. */

import { LANGUAGE, t, tProblem } from "./text.js";

/** An error response (RFC 9457), or no response at all: then `status` is 0. Its message is for people. */
export class ApiError extends Error {
  /**
   * @param {{status: number, code: string, detail: string, [member: string]: any}} problem the problem document
   * @param {number} [retryAfter] seconds
   */
  constructor(problem, retryAfter) {
    super(tProblem(problem).text);
    this.problem = problem;
    this.retryAfter = retryAfter;
  }

  /** Whether the same request may succeed a little later. */
  get isTemporary() {
    return [0, 429, 502, 503, 504].includes(this.problem.status);
  }
}

const unreachable = () =>
  new ApiError({ status: 0, code: "unreachable", detail: t("api.unreachable"), lang: LANGUAGE });

/** @param {number} status @param {string} text @param {string|null} retryAfter the header Retry-After */
function parseResponse(status, text, retryAfter) {
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    body = null;
  }
  if (status >= 200 && status < 300 && body) return body;
  const said = body?.detail ? {} : { detail: t("api.unexplained", { status }), lang: LANGUAGE };
  const problem = { code: `http_${status}`, ...body, ...said, status };
  throw new ApiError(problem, retryAfter && /^\d+$/.test(retryAfter) ? Number(retryAfter) : undefined);
}

/**
 * Call the API and return the JSON of its response.
 * @param {string} method @param {string} path
 * @param {any} [body] sent as JSON
 * @param {RequestInit & {onResponse?: (response: Response) => void}} [options] of fetch;
 *   `onResponse` gets every response, errors too
 * @returns {Promise<any>}
 * @throws {ApiError}
 */
export async function callApi(method, path, body, { onResponse, ...options } = {}) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response, text;
  try {
    response = await fetch(path, { method, headers, body: body && JSON.stringify(body), ...options });
    text = await response.text();
  } catch {
    throw unreachable();
  }
  onResponse?.(response);
  return parseResponse(response.status, text, response.headers.get("Retry-After"));
}

/**
 * Upload a form. XMLHttpRequest, since fetch reports no progress. Once everything is sent, the
 * response is awaited even if `signal` aborts, so that the new task is known and can be cancelled.
 * @param {string} path @param {FormData} form
 * @param {(share: number) => void} progress 0 to 1
 * @param {AbortSignal} signal
 * @returns {Promise<any>}
 */
export function upload(path, form, progress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let allSent = false;
    request.open("POST", path);
    request.setRequestHeader("Accept", "application/json");
    request.upload.onprogress = (event) => {
      allSent ||= event.lengthComputable && event.loaded === event.total;
      if (event.lengthComputable) progress(event.loaded / event.total);
    };
    request.upload.onload = () => (allSent = true);
    request.onload = () => {
      try {
        const retryAfter = request.getResponseHeader("Retry-After");
        resolve(parseResponse(request.status, request.responseText, retryAfter));
      } catch (error) {
        reject(error);
      }
    };
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(signal.reason);
    signal.addEventListener("abort", () => allSent || request.abort(), { once: true });
    if (signal.aborted) reject(signal.reason);
    else request.send(form);
  });
}

const PATIENCE = 10; // seconds without a sign of life until the person is told

/** Say each second how long nothing was heard, once that is longer than one would wait. */
function watchSilence(notify) {
  let heard = Date.now();
  let told = false;
  const timer = setInterval(() => {
    const seconds = Math.floor((Date.now() - heard) / 1000);
    if (seconds < PATIENCE) return;
    told = true;
    notify(t("api.silent", { seconds }));
  }, 1000);
  return {
    hear() {
      heard = Date.now();
      if (told) notify("");
      told = false;
    },
    end() {
      clearInterval(timer);
      if (told) notify("");
      told = false;
    },
  };
}

/**
 * Repeat `work` until it succeeds or fails for good; wait as long as the API asks. A server that does not answer is
 * waited for, too, and said.
 * @template T
 * @param {(hear: () => void) => Promise<T>} work calls `hear` when it gets ahead, so that nothing is said
 * @param {(note: string) => void} notify gets the reason for waiting; "" when the wait is over
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
export async function withRetries(work, notify, signal) {
  for (let tries = 0; ; tries++) {
    const silence = watchSilence(notify);
    try {
      return await work(silence.hear);
    } catch (error) {
      silence.end();
      if (!(error instanceof ApiError) || !error.isTemporary) throw error;
      await countdown(error.retryAfter ?? Math.min(30, 2 ** tries), error, notify, signal);
      notify("");
    } finally {
      silence.end();
    }
  }
}

/** Wait `seconds`; while offline, wait for the network. */
function countdown(seconds, error, notify, signal) {
  return new Promise((resolve, reject) => {
    let left = Math.max(1, seconds);
    const showCountdown = () =>
      navigator.onLine
        ? notify(t("api.retry", { problem: error.message, seconds: left }))
        : notify(t("api.offline"));
    const end = (done, value) => {
      clearInterval(timer);
      window.removeEventListener("online", online);
      signal?.removeEventListener("abort", aborted);
      done(value);
    };
    const online = () => end(resolve);
    const aborted = () => end(reject, signal.reason);
    const timer = setInterval(() => {
      if (navigator.onLine && --left <= 0) end(resolve);
      else showCountdown();
    }, 1000);
    window.addEventListener("online", online);
    signal?.addEventListener("abort", aborted);
    if (signal?.aborted) aborted();
    else showCountdown();
  });
}

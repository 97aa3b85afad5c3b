/** Talking to Darkroom: refusals as the API says them, and patience where it asks for some. */

/** A refusal (RFC 9457), or that nobody answered: then `status` is 0. */
export class Problem extends Error {
  /**
   * @param {{status: number, code: string, detail: string, [fact: string]: any}} facts
   * @param {number} [retryAfter] seconds
   */
  constructor(facts, retryAfter) {
    super(facts.detail);
    this.facts = facts;
    this.retryAfter = retryAfter;
  }

  /** Whether the same may pass a little later. */
  get passing() {
    return [0, 429, 502, 503, 504].includes(this.facts.status);
  }
}

const unreachable = () =>
  new Problem({ status: 0, code: "unreachable", detail: "Darkroom cannot be reached" });

/** @param {number} status @param {string} text @param {string|null} after Retry-After */
function read(status, text, after) {
  let said;
  try {
    said = JSON.parse(text);
  } catch {
    said = null;
  }
  if (status >= 200 && status < 300 && said) return said;
  const detail = said?.detail ?? `the answer was ${status}, and no sentence came with it`;
  const facts = { code: `http_${status}`, ...said, detail, status };
  throw new Problem(facts, after && /^\d+$/.test(after) ? Number(after) : undefined);
}

/**
 * Ask the API for a document.
 * @param {string} method @param {string} path
 * @param {any} [body] sent as JSON
 * @param {RequestInit & {heard?: (response: Response) => void}} [options] of fetch; `heard` is told
 *   of whatever is answered
 * @returns {Promise<any>}
 * @throws {Problem}
 */
export async function call(method, path, body, { heard, ...options } = {}) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response, text;
  try {
    response = await fetch(path, { method, headers, body: body && JSON.stringify(body), ...options });
    text = await response.text();
  } catch {
    throw unreachable();
  }
  heard?.(response);
  return read(response.status, text, response.headers.get("Retry-After"));
}

/**
 * Send a form; XMLHttpRequest, as fetch does not say how far it is. Once all of it is sent, it is
 * answered even if `signal` aborts: what the service took up is then known, and can be cancelled.
 * @param {string} path @param {FormData} form
 * @param {(share: number) => void} progress 0 to 1
 * @param {AbortSignal} signal
 * @returns {Promise<any>}
 */
export function upload(path, form, progress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let all = false; // is sent
    request.open("POST", path);
    request.setRequestHeader("Accept", "application/json");
    request.upload.onprogress = (event) => {
      all ||= event.lengthComputable && event.loaded === event.total;
      if (event.lengthComputable) progress(event.loaded / event.total);
    };
    request.upload.onload = () => (all = true);
    request.onload = () => {
      try {
        const after = request.getResponseHeader("Retry-After");
        resolve(read(request.status, request.responseText, after));
      } catch (error) {
        reject(error);
      }
    };
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(signal.reason);
    signal.addEventListener("abort", () => all || request.abort(), { once: true });
    if (signal.aborted) reject(signal.reason);
    else request.send(form);
  });
}

/**
 * Do `work` until it succeeds or is refused for good; wait as long as the API asks, visibly.
 * @template T
 * @param {() => Promise<T>} work
 * @param {(note: string) => void} say what is waited for; "" when it is over
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
export async function patiently(work, say, signal) {
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Problem) || !error.passing) throw error;
      await countdown(error.retryAfter ?? Math.min(30, 2 ** tries), error, say, signal);
      say("");
    }
  }
}

/** Wait `seconds`, or without a network until there is one. */
function countdown(seconds, problem, say, signal) {
  return new Promise((resolve, reject) => {
    let left = Math.max(1, seconds);
    const tell = () =>
      navigator.onLine
        ? say(`${problem.message}; trying again in ${left} s`)
        : say("this device is offline; it goes on when the network is back");
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
      else tell();
    }, 1000);
    window.addEventListener("online", online);
    signal?.addEventListener("abort", aborted);
    if (signal?.aborted) aborted();
    else tell();
  });
}

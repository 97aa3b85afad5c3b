/**
 * Texts of the page's language with values filled in, always as text: none of it becomes markup. The server makes the module
 * with the texts of one language of its catalogue, see service/pages/messages.
 */

// A person who leaves before they came ends the load: no error of the page, of which nothing runs without its texts.
const never = () => new Promise(() => {});
const { LANGUAGE, MESSAGES, API, ERRORS } = await import(document.documentElement.dataset.messages).catch(never);

/** Of numbers, dates and plurals, and of what the catalogue says. */
export { LANGUAGE };

const plurals = new Intl.PluralRules(LANGUAGE);
const PLACEHOLDER = /\{(\w+)\}/;

/**
 * @param {string} id in MESSAGES
 * @param {Record<string, string|number|Node>} [values] by placeholder; `count` chooses the plural form
 * @returns {(string|Node)[]} the message in pieces, for `el`: its texts and the values between them
 */
export function pieces(id, values = {}) {
  const message = MESSAGES[id];
  const text = typeof message === "object" ? message[plurals.select(values.count)] : message;
  if (text === undefined) throw new Error(`there is no message ${id}`);
  return text.split(PLACEHOLDER).map((piece, at) => {
    if (at % 2 === 0) return piece;
    const value = values[piece];
    if (value === undefined) throw new Error(`the message ${id} needs ${piece}`);
    return typeof value === "number" ? value.toLocaleString(LANGUAGE) : value;
  });
}

/**
 * @param {string} id in MESSAGES
 * @param {Record<string, string|number>} [values] by placeholder; `count` chooses the plural form
 * @returns {string}
 */
export const t = (id, values) => pieces(id, values).join("");

/** A word of the API, e.g. `event.claimed`; `word` itself where the API is newer than MESSAGES. */
export const tWord = (group, word) => (Object.hasOwn(MESSAGES, `${group}.${word}`) ? t(`${group}.${word}`) : word);

/** @typedef {{text: string, lang: string|null}} Said attributes for `el`; `lang`: of the text, where it is not the page's */

/** English texts of the API that hold values, as patterns. @type {[RegExp, string][]} */
const PATTERNS = Object.entries(API ?? {})
  .filter(([english]) => english.includes("{}"))
  .map(([english, text]) => [new RegExp(`^${english.split("{}").map(quoted).join("(.+)")}$`), text]);

function quoted(text) {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}

/** @param {string} value in a text of the API: a number, a text itself, or several */
function valueText(value) {
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value).toLocaleString(LANGUAGE);
  const { text, lang } = tApi(value);
  return lang ? value.split(", ").map((each) => tApi(each).text).join(", ") : text; // a list, such as "EXIF, comments"
}

/** A text of the API in the page's language, values in it too, or as it is. @param {string} english @returns {Said} */
export function tApi(english) {
  if (!API || !english) return { text: english, lang: null };
  if (Object.hasOwn(API, english)) return { text: API[english], lang: null };
  for (const [pattern, text] of PATTERNS) {
    const values = pattern.exec(english)?.slice(1);
    if (values) return { text: text.replaceAll("{}", () => valueText(values.shift())), lang: null };
  }
  return { text: english, lang: LANGUAGE.startsWith("en") ? null : "en" };
}

/**
 * What is wrong, in the page's language where its code is known there, or as the API says it.
 * @param {any} problem a problem document; one that this page made names its language
 * @returns {Said}
 */
export function tProblem(problem) {
  if (problem.lang) return { text: problem.detail, lang: problem.lang === LANGUAGE ? null : problem.lang };
  if (!ERRORS) return { text: problem.detail, lang: null };
  for (const form of Object.hasOwn(ERRORS, problem.code) ? ERRORS[problem.code] : []) {
    const parts = form.split(PLACEHOLDER);
    const isKnown = (name) => problem[name] !== undefined && problem[name] !== null;
    if (!parts.every((part, at) => at % 2 === 0 || isKnown(part))) continue;
    const shown = (value) => (typeof value === "number" ? value.toLocaleString(LANGUAGE) : `${value}`);
    const text = parts.map((part, at) => (at % 2 === 0 ? part : [problem[part]].flat().map(shown).join(", "))).join("");
    return { text, lang: null };
  }
  return { text: problem.detail, lang: "en" };
}

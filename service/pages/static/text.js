/** Texts of messages.js with values filled in, always as text: none of it becomes markup. */

import { LANGUAGE, MESSAGES } from "./messages.js";

const plurals = new Intl.PluralRules(LANGUAGE);

/**
 * @param {string} id in MESSAGES
 * @param {Record<string, string|number|Node>} [values] by placeholder; `count` chooses the plural form
 * @returns {(string|Node)[]} the message in pieces, for `el`: its texts and the values between them
 */
export function pieces(id, values = {}) {
  const message = MESSAGES[id];
  const text = typeof message === "object" ? message[plurals.select(values.count)] : message;
  if (text === undefined) throw new Error(`there is no message ${id}`);
  return text.split(/\{(\w+)\}/).map((piece, at) => {
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

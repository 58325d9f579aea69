/**
 * The text of a file, however it is encoded: what spreadsheets in Russian and English write.
 */

const SAMPLE_BYTES = 65_536;
const CONTROL_SHARE_MAX = 0.01;
const UTF8_DAMAGE_MAX = 0.02;
const CYRILLIC = /** @type {const} */ (["windows-1251", "koi8-r", "ibm866", "x-mac-cyrillic"]); // the most usual one first
const AMONG_LATIN = /(?<=[A-Za-z])[^\0-\x7f]|[^\0-\x7f](?=[A-Za-z])/g;
const HIGH = /[^\0-\x7f]/g;
const WORDS = /[а-яё]{2,}/gi; // a letter that stands alone may be a dash, a quotation mark or a space of another encoding
const STRANGE_LETTERS = /[^\0-\x7fа-яёА-ЯЁ«»„“”‘’…–—№\xa0]/g;
const [TURNED, STRANGE, SMALL, USUAL] = [50, 30, 25, 10];
/** Ten times the logarithm of how often a letter stands among a thousand of Russian. */
const WEIGHTS = new Map(
  Object.entries({
    о: 47, еа: 44, и: 43, н: 42, т: 41, с: 40, р: 39, вл: 38, к: 36, м: 35, д: 34, пу: 33, я: 30, ыь: 29, гзб: 28, ч: 27,
    й: 25, х: 23, ж: 22, ш: 20, ю: 19, ц: 16, щ: 13, э: 12, ф: 10,
  }).flatMap(([letters, weight]) => [...letters].map((letter) => /** @type {[string, number]} */ ([letter, weight]))),
);

/** The file holds no text: a spreadsheet, a picture, an archive. */
export class NotText extends Error {
  constructor() {
    super("not a text");
    this.name = "NotText";
  }
}

/**
 * Characters that cannot be read become U+FFFD.
 * @param {Uint8Array} bytes
 * @returns {string}
 * @throws {NotText} It is no text.
 */
export function decodeText(bytes) {
  if (bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3 && bytes[3] === 4) throw new NotText(); // .xlsx, .zip
  const text = new TextDecoder(encodingOf(bytes)).decode(bytes);
  if (isBinary(text)) throw new NotText();
  return text.replaceAll("\0", "");
}

/**
 * @param {Uint8Array} bytes
 * @returns {string} A name that TextDecoder knows.
 */
function encodingOf(bytes) {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return "utf-16le";
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return "utf-16be";
  const sample = bytes.subarray(0, SAMPLE_BYTES);
  if (sample.includes(0)) return utf16Of(sample);
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return "utf-8";
  } catch {
    return isMostlyUtf8(bytes) ? "utf-8" : singleByteOf(sample);
  }
}

/** @param {Uint8Array} sample */
function utf16Of(sample) {
  let even = 0;
  let odd = 0;
  for (let place = 0; place + 1 < sample.length; place += 2) {
    if (sample[place] === 0) even += 1;
    if (sample[place + 1] === 0) odd += 1;
  }
  const many = sample.length / 50;
  if (odd > many && odd > even) return "utf-16le";
  return even > many ? "utf-16be" : "utf-8";
}

/**
 * UTF-8 with a few bad bytes: the rest must not suffer for them. The whole file counts, as in services/bot/tables.py:
 * its first rows may be English, and the bad bytes may all be near each other.
 * @param {Uint8Array} bytes
 */
function isMostlyUtf8(bytes) {
  const text = new TextDecoder("utf-8").decode(bytes);
  let damaged = 0;
  let high = 0;
  for (let place = 0; place < text.length; place += 1) {
    const code = text.charCodeAt(place);
    if (code > 0x7f && (code < 0xdc00 || code > 0xdfff)) high += 1; // a character of two halves counts once
    if (code === 0xfffd) damaged += 1;
  }
  return damaged <= Math.max(1, UTF8_DAMAGE_MAX * high) && high > damaged;
}

/**
 * Which encoding a text is in that is no UTF. Where most letters beyond ASCII stand among Latin ones, or none is in a
 * Russian word, it is a Western one; else in the right one the letters are the usual ones of Russian, and most of them
 * small. The bot has the same rule in services/bot/encoding.py.
 * @param {Uint8Array} sample
 */
function singleByteOf(sample) {
  const bytes = new TextDecoder("iso-8859-1").decode(sample);
  const texts = CYRILLIC.map((encoding) => new TextDecoder(encoding).decode(sample));
  if (2 * count(bytes, AMONG_LATIN) > count(bytes, HIGH) || !texts.some((text) => count(text, WORDS))) return "windows-1252";
  const likely = texts.map((text, place) => likelihood(text, CYRILLIC[place]));
  return CYRILLIC[likely.indexOf(Math.max(...likely))] ?? CYRILLIC[0];
}

/**
 * @param {string} text
 * @param {string} [encoding]
 */
function likelihood(text, encoding) {
  const words = (text.match(WORDS) ?? []).join("");
  let usual = 0;
  for (const letter of words.toLowerCase()) usual += WEIGHTS.get(letter) ?? 0;
  const isSmall = 2 * count(words, /[а-яё]/g) > words.length;
  const wrong = TURNED * count(text, /[а-яё][А-ЯЁ]/g) + STRANGE * count(text, STRANGE_LETTERS);
  return usual - wrong + (isSmall ? SMALL : 0) + (encoding === CYRILLIC[0] ? USUAL : 0);
}

/** @param {string} text */
function isBinary(text) {
  const sample = text.slice(0, SAMPLE_BYTES);
  let controls = 0;
  for (let place = 0; place < sample.length; place += 1) {
    const code = sample.charCodeAt(place);
    if (code < 9 || (code > 13 && code < 27)) controls += 1;
  }
  return controls > sample.length * CONTROL_SHARE_MAX;
}

/**
 * @param {string} text
 * @param {RegExp} pattern
 */
function count(text, pattern) {
  return text.match(pattern)?.length ?? 0;
}

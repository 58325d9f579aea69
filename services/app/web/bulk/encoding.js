/**
 * The text of a file, however it is encoded: what spreadsheets in Russian and English write.
 */

const SAMPLE_BYTES = 65_536;
const CONTROL_SHARE_MAX = 0.01;

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
    return mostlyUtf8(sample) ? "utf-8" : cyrillicOf(sample);
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
 * UTF-8 with a few bad bytes: the rest must not suffer for them.
 * @param {Uint8Array} sample
 */
function mostlyUtf8(sample) {
  const text = new TextDecoder("utf-8").decode(sample);
  const damaged = count(text, /\ufffd/g);
  return count(text, /[^\0-\x7f\ufffd]/g) > 50 * damaged;
}

/**
 * In the right one of the two encodings most letters are small.
 * @param {Uint8Array} sample
 */
function cyrillicOf(sample) {
  const small = /[а-яё]/g;
  const inKoi8 = count(new TextDecoder("koi8-r").decode(sample), small);
  return inKoi8 > count(new TextDecoder("windows-1251").decode(sample), small) ? "koi8-r" : "windows-1251";
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

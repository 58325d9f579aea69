/**
 * RowReader: what a person drops or pastes, read as rows for the fields of the chosen model, and read again for those of another.
 * file(file) · text(text) · forFields(names) · subscribe(listener) → stop. What is given last is read; what is under way then is dropped.
 */
import { decodeText } from "./encoding.js";
import { readSource } from "./source.js";

/** @typedef {{source: import("./source.js").Source, name: string}} ReadRows name: of the file; empty for pasted lines */
/** @typedef {{text: string, name: string, isPasted: boolean}} GivenText */

export const FILE_BYTES_MAX = 64_000_000;

/** @param {File} file @returns {Promise<GivenText>} */
async function givenOf(file) {
  if (file.size > FILE_BYTES_MAX) throw new RangeError("too large");
  return { text: decodeText(new Uint8Array(await file.arrayBuffer())), name: file.name, isPasted: false };
}

export class RowReader {
  /** @type {ReadRows | null} */
  found = null;
  /** @type {unknown} */
  error = null;
  /** How much of a long text has been read. @type {number | null} */
  share = null;
  /** @type {Set<() => void>} */
  #listeners = new Set();
  /** @type {Promise<GivenText | null>} */
  #given = Promise.resolve(null);
  #stop = new AbortController();
  /** @type {string[]} */
  #fields;

  /** @param {string[]} fields the names of the chosen model's fields */
  constructor(fields) {
    this.#fields = fields;
  }

  /** @param {() => void} listener @returns {() => void} ends it */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** @param {File} file @returns {Promise<void>} */
  file(file) {
    this.found = null; // it takes a moment, in which the rows before it must not be started
    return this.#read(givenOf(file));
  }

  /** @param {string} text @returns {Promise<void>} */
  text(text) {
    return this.#read(Promise.resolve(text.trim() ? { text, name: "", isPasted: true } : null));
  }

  /** Which row is a header depends on the fields. @param {string[]} fields @returns {Promise<void>} */
  async forFields(fields) {
    if (JSON.stringify(fields) === JSON.stringify(this.#fields)) return;
    this.#fields = fields;
    this.found = null;
    await this.#read(this.#given);
  }

  /** @param {Promise<GivenText | null>} given */
  async #read(given) {
    this.#stop.abort();
    const { signal } = (this.#stop = new AbortController());
    this.#given = given;
    this.#set({ error: null, share: null });
    const onProgress = (/** @type {number} */ share) => this.#set({ found: null, share });
    try {
      const one = await given;
      const options = { fields: this.#fields, signal, onProgress, isPasted: one?.isPasted ?? false };
      const found = one && { source: await readSource(one.text, options), name: one.name };
      if (!signal.aborted) this.#set({ found, share: null });
    } catch (error) {
      if (!signal.aborted) this.#set({ found: null, error, share: null });
    }
  }

  /** @param {Partial<Pick<RowReader, "found" | "error" | "share">>} change */
  #set(change) {
    Object.assign(this, change);
    for (const listener of this.#listeners) listener();
  }
}

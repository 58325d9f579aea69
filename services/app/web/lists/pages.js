/**
 * An endless list in flat memory: new Pages({fetchPage, keep}) → need(first, last), at(index), count, insert, update,
 * retry, close, subscribe.
 *
 * Only `keep` pages hold their items; of the others the cursor is kept, so that they can be fetched again. The first page
 * is always kept: what is new is put above it, and asking for it again would give other rows.
 */

/**
 * @template T
 * @typedef {{ items: T[], next_cursor: string | null }} FetchedPage
 */
/**
 * @template T
 * @typedef {{ cursor: string | null, first: number, count: number, items: T[] | null, isLoading: boolean }} ListPage
 */

const KEEP = 8;
const EMPTY_PAGES_MAX = 50; // a filter that few rows pass gives empty pages; after so many in a row a person goes on

/**
 * @template {{ id: string | number }} T
 */
export class Pages {
  /** @type {ListPage<T>[]} */
  #pages = [];
  /** @type {string | null} */
  #next = null;
  /** @type {Set<() => void>} */
  #listeners = new Set();
  #isLoadingNext = false;
  /** @type {[number, number]} */
  #needed = [0, 0];
  #stop = new AbortController();

  /** @param {{ fetchPage: (cursor: string | null, signal: AbortSignal) => Promise<FetchedPage<T>>, keep?: number }} options */
  constructor({ fetchPage, keep = KEEP }) {
    this.fetchPage = fetchPage;
    this.keep = keep;
    this.count = 0; // of the rows known so far
    this.isAtEnd = false;
    /** @type {unknown} */
    this.error = null;
  }

  /** Whether nothing has been answered yet. */
  get isFirst() {
    return this.#pages.length === 0 && !this.isAtEnd && this.error === null;
  }

  /** How many rows are in memory. */
  get kept() {
    return this.#pages.reduce((sum, { items }) => sum + (items?.length ?? 0), 0);
  }

  /** @param {() => void} listener @returns {() => void} ends it */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** @param {number} index @returns {T | null} null while it is not in memory */
  at(index) {
    const page = this.#pages[this.#pageOf(index)];
    return page?.items?.[index - page.first] ?? null;
  }

  /** @param {T["id"]} id @returns {number | null} the place of a row that is in memory */
  indexOf(id) {
    for (const { items, first } of this.#pages) {
      const place = items?.findIndex((item) => item.id === id) ?? -1;
      if (place >= 0) return first + place;
    }
    return null;
  }

  /**
   * Have these rows in memory, and the page that follows them.
   * @param {number} first @param {number} last
   */
  need(first, last) {
    this.#needed = [first, last];
    const from = Math.max(0, this.#pageOf(first));
    const to = Math.max(from, this.#pageOf(Math.max(first, last)));
    for (let nth = from; nth <= to && nth < this.#pages.length; nth += 1) void this.#reload(nth);
    this.#forget(from, to);
    if (last >= this.count - 1) void this.#loadNext();
  }

  /** After an error, until which nothing more is asked for. */
  retry() {
    this.error = null;
    this.need(...this.#needed);
    this.#tell();
  }

  /** Above all others. @param {T[]} items newest first */
  insert(items) {
    if (this.#pages.length === 0 && this.isAtEnd) this.#pages.push({ cursor: null, first: 0, count: 0, items: [], isLoading: false });
    const page = this.#pages[0];
    if (!page?.items) return;
    const known = new Set(page.items.map(({ id }) => id));
    const fresh = items.filter(({ id }) => !known.has(id));
    if (fresh.length === 0) return;
    page.items = [...fresh, ...page.items];
    page.count += fresh.length;
    for (const other of this.#pages.slice(1)) other.first += fresh.length;
    this.count += fresh.length;
    this.#tell();
  }

  /** @param {T[]} items with their new values @returns {T[]} those that are not in memory */
  update(items) {
    const byId = new Map(items.map((item) => [item.id, item]));
    let hasChanged = false;
    for (const page of this.#pages) {
      page.items?.forEach((item, place) => {
        const next = byId.get(item.id);
        if (!next || !page.items) return;
        byId.delete(item.id);
        page.items[place] = next;
        hasChanged = true;
      });
    }
    if (hasChanged) this.#tell();
    return [...byId.values()];
  }

  /** What is under way is of no use any more. */
  close() {
    this.#stop.abort();
    this.#listeners.clear();
  }

  /** @param {number} index */
  #pageOf(index) {
    let low = 0;
    let high = this.#pages.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (/** @type {ListPage<T>} */ (this.#pages[middle]).first <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  async #loadNext() {
    if (this.isAtEnd || this.#isLoadingNext || this.error !== null) return;
    this.#isLoadingNext = true;
    try {
      let answer = await this.fetchPage(this.#next, this.#stop.signal);
      for (let empty = 0; answer.items.length === 0 && answer.next_cursor && empty < EMPTY_PAGES_MAX; empty += 1) {
        this.#next = answer.next_cursor;
        answer = await this.fetchPage(this.#next, this.#stop.signal);
      }
      this.#append(answer);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.error = error;
    } finally {
      this.#isLoadingNext = false;
    }
    this.#tell();
  }

  /** @param {FetchedPage<T>} answer */
  #append({ items, next_cursor: next }) {
    if (items.length > 0) {
      this.#pages.push({ cursor: this.#next, first: this.count, count: items.length, items, isLoading: false });
      this.count += items.length;
      this.#forget(this.#pages.length - 1, this.#pages.length - 1);
    }
    this.#next = next;
    this.isAtEnd = next === null;
  }

  /** @param {number} nth */
  async #reload(nth) {
    const page = this.#pages[nth];
    if (!page || page.items || page.isLoading || this.error !== null) return;
    page.isLoading = true;
    try {
      const { items } = await this.fetchPage(page.cursor, this.#stop.signal);
      page.items = items.slice(0, page.count);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.error = error;
    } finally {
      page.isLoading = false;
    }
    this.#tell();
  }

  /** Drop the items of the pages that are farthest from those in view. @param {number} from @param {number} to */
  #forget(from, to) {
    const held = this.#pages.map((page, nth) => ({ page, nth })).filter(({ page, nth }) => nth > 0 && page.items);
    const excess = held.length + 1 - this.keep;
    if (excess <= 0) return;
    /** @param {number} nth */
    const distance = (nth) => Math.max(from - nth, nth - to, 0);
    held.sort((a, b) => distance(b.nth) - distance(a.nth));
    for (const { page, nth } of held.slice(0, excess)) if (distance(nth) > 0) page.items = null;
  }

  #tell() {
    for (const listener of this.#listeners) listener();
  }
}

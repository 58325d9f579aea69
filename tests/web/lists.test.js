import assert from "node:assert/strict";
import { test } from "node:test";

import { filtersOf, idIn, NONE, passes, queryOf, searchOf } from "../../services/app/web/history/filters.js";
import { withNews } from "../../services/app/web/history/news.js";
import { Pages } from "../../services/app/web/lists/pages.js";
import { rebased, windowOf } from "../../services/app/web/lists/window.js";

const SIZE = 100;

/** @param {number} total @param {{ emptyBefore?: number }} [options] */
function numbers(total, { emptyBefore = 0 } = {}) {
  let asked = 0;
  const fetchPage = async (/** @type {string | null} */ cursor) => {
    asked += 1;
    if (asked <= emptyBefore) return { items: [], next_cursor: "0" };
    const first = Number(cursor ?? 0);
    const items = Array.from({ length: Math.min(SIZE, total - first) }, (_, place) => ({ id: first + place }));
    return { items, next_cursor: first + SIZE < total ? String(first + SIZE) : null };
  };
  return { fetchPage, asked: () => asked };
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

/** @param {Pages<any>} pages @param {number} first @param {number} last */
async function scrollTo(pages, first, last) {
  pages.need(first, last);
  await settled();
  pages.need(first, last);
  await settled();
}

test("a million rows are scrolled through in flat memory, and back up again", async () => {
  const pages = new Pages({ ...numbers(1_000_000), keep: 8 });
  await scrollTo(pages, 0, 0);
  let most = 0;
  for (let at = 0; at < 1_000_000; at += SIZE) {
    await scrollTo(pages, at, Math.min(at + SIZE - 1, 999_999));
    most = Math.max(most, pages.kept);
  }
  assert.equal(pages.count, 1_000_000);
  assert.ok(pages.isAtEnd);
  assert.ok(most <= 9 * SIZE, `${most} rows in memory`);
  assert.equal(pages.at(999_999)?.id, 999_999);
  assert.equal(pages.at(500_000), null);
  await scrollTo(pages, 500_000, 500_050);
  assert.equal(pages.at(500_050)?.id, 500_050);
  assert.equal(pages.at(0)?.id, 0);
});

test("a page is asked for once, however often the list scrolls", async () => {
  const source = numbers(1_000);
  const pages = new Pages(source);
  for (let nth = 0; nth < 50; nth += 1) pages.need(0, 20);
  await settled();
  assert.equal(source.asked(), 1);
});

test("empty pages on the way to a rare row are passed over", async () => {
  const pages = new Pages(numbers(50, { emptyBefore: 5 }));
  await scrollTo(pages, 0, 0);
  assert.equal(pages.count, 50);
});

test("new rows stand above the others, and known ones change in place", async () => {
  const pages = new Pages(numbers(250));
  await scrollTo(pages, 0, 0);
  await scrollTo(pages, 99, 99);
  pages.insert([{ id: -1 }, { id: 0 }]);
  assert.equal(pages.count, 201);
  assert.deepEqual([pages.at(0)?.id, pages.at(1)?.id, pages.at(101)?.id], [-1, 0, 100]);
  assert.deepEqual(pages.update([/** @type {any} */ ({ id: 100, isNew: true }), { id: 999 }]), [{ id: 999 }]);
  assert.equal(/** @type {any} */ (pages.at(101)).isNew, true);
});

test("an error is kept until it is tried again", async () => {
  let fails = true;
  const source = numbers(10);
  const pages = new Pages({
    fetchPage: async (cursor) => {
      if (fails) throw new Error("no");
      return source.fetchPage(cursor);
    },
  });
  await scrollTo(pages, 0, 0);
  assert.equal(/** @type {Error} */ (pages.error).message, "no");
  fails = false;
  pages.retry();
  await settled();
  assert.deepEqual([pages.error, pages.count], [null, 10]);
});

test("after an error nothing is asked for until it is tried again, and then only what is in view", async () => {
  const source = numbers(1_000_000);
  let fails = false;
  /** @type {(string | null)[]} */
  const asked = [];
  const pages = new Pages({
    fetchPage: async (cursor) => {
      asked.push(cursor);
      if (fails) throw new Error("no");
      return source.fetchPage(cursor);
    },
  });
  await scrollTo(pages, 0, 0);
  for (let at = 0; at < 2_000; at += SIZE) await scrollTo(pages, at, at + SIZE - 1);
  pages.subscribe(() => pages.need(500, 550)); // as a list that is drawn again
  fails = true;
  asked.length = 0;
  await scrollTo(pages, 500, 550);
  for (let nth = 0; nth < 20; nth += 1) await settled();
  assert.deepEqual(asked, ["500"]);
  fails = false;
  pages.retry();
  await settled();
  assert.deepEqual([pages.error, pages.at(550)?.id, asked], [null, 550, ["500", "500"]]);
});

test("as many rows are drawn at the millionth as at the first", () => {
  const view = { base: 0, count: 1_000_000, rowHeight: 44, openAt: null, extra: 0, viewport: 800 };
  const deep = windowOf({ ...view, scroll: 900_000 * 44 });
  const top = windowOf({ ...view, scroll: 20 * 44 });
  assert.equal(deep.last - deep.first, top.last - top.first);
  assert.equal(deep.seenFirst, 900_000);
  assert.equal(deep.top, deep.first * 44);
});

test("an open row moves those below it, and the list is higher by it", () => {
  const view = { base: 0, count: 100, rowHeight: 40, openAt: 10, extra: 300, scroll: 0, viewport: 400 };
  assert.equal(windowOf(view).height, 100 * 40 + 300);
  assert.equal(windowOf({ ...view, scroll: 600 }).seenFirst, 10); // within the open row
  assert.equal(windowOf({ ...view, scroll: 11 * 40 + 300 }).seenFirst, 11);
  const below = windowOf({ ...view, scroll: 60 * 40 + 300 });
  assert.equal(below.top, below.first * 40 + 300);
});

test("an empty list draws nothing above zero pixels", () => {
  const view = windowOf({ base: 0, count: 0, rowHeight: 40, openAt: null, extra: 0, scroll: 0, viewport: 400 });
  assert.equal(view.height, 0);
});

test("no list is higher than browsers draw, and it moves along both ways", () => {
  let base = 0;
  for (let first = 0; first < 1_000_000; first += 1_000) {
    base = rebased(base, first);
    assert.ok(first - base <= 100_000 && first >= base);
  }
  assert.ok(base > 800_000);
  for (let first = 999_000; first >= 0; first -= 1_000) base = rebased(base, first);
  assert.equal(base, 0);
});

test("filters come back from the address as they went into it", () => {
  const filters = { states: ["failed", "expired"], model: "sentiment", source: "web", from: "2026-11-01", to: "2026-11-26" };
  assert.deepEqual(filtersOf(searchOf(filters)), filters);
  assert.equal(searchOf(NONE), "");
  assert.deepEqual(filtersOf(""), { ...NONE });
});

test("what an address cannot mean is left out", () => {
  assert.deepEqual(filtersOf("?status=lost&status=queued&model=%3Cb%3E&source=fax&from=2026-02-31&to=yesterday"), {
    ...NONE, states: ["queued"],
  });
});

test("a day begins and ends at midnight where the person is", () => {
  const { from, to } = queryOf({ ...NONE, from: "2026-11-26", to: "2026-11-26" });
  assert.equal(from, new Date(2026, 10, 26).toISOString());
  assert.equal(to, new Date(2026, 10, 27).toISOString());
});

test("a new prediction is shown only where it passes the filters", () => {
  const one = { status: "queued", model: "sentiment", source: "web", created_at: new Date(2026, 10, 26, 12).toISOString() };
  assert.ok(passes(NONE, one));
  assert.ok(passes({ ...NONE, states: ["queued"], from: "2026-11-26", to: "2026-11-26" }, one));
  assert.ok(!passes({ ...NONE, states: ["failed"] }, one));
  assert.ok(!passes({ ...NONE, to: "2026-11-25" }, one));
});

test("what waits above a list has its last state, newest first, and leaves where it no longer passes the filters", () => {
  const one = (/** @type {string} */ id, /** @type {any} */ status, attempts = 0) => /** @type {any} */ ({ id, status, attempts });
  const isOpen = (/** @type {{status: string}} */ { status }) => status === "queued" || status === "processing";
  const first = withNews([], [one("1", "queued"), one("2", "queued")], isOpen);
  assert.deepEqual(first.map(({ id }) => id), ["2", "1"]);
  const second = withNews(first, [one("3", "queued"), one("1", "processing", 1)], isOpen);
  assert.deepEqual(second.map(({ id, status }) => [id, status]), [["3", "queued"], ["2", "queued"], ["1", "processing"]]);
  assert.deepEqual(withNews(second, [one("2", "succeeded", 1)], isOpen).map(({ id }) => id), ["3", "1"]);
  const ended = [one("1", "succeeded", 1)];
  assert.deepEqual(withNews(ended, [one("1", "processing", 1)], () => true), ended);
});

test("an id is found in whatever was pasted", () => {
  const id = "019a0b5e-7c1d-7000-8000-3f2a1b4c5d6e";
  assert.equal(idIn(` ${id.toUpperCase()}\n`), id);
  assert.equal(idIn(`https://example.com/app/history?open=${id}`), id);
  assert.equal(idIn("hello"), null);
});

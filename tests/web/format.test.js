import assert from "node:assert/strict";
import { test } from "node:test";
import { ago, bytes, duration, EXACT, moment, number, percent } from "../../services/app/web/lib/format.js";

const plain = (/** @type {string} */ text) => text.replace(/[\u00a0\u202f]/g, " ");

test("durations have their natural unit", () => {
  const said = [0.4, 41, 999, 1200, 9_949, 12_000, 200_000, 7_500_000].map((ms) => plain(duration("en", ms)));
  assert.deepEqual(said, ["0.4 ms", "41 ms", "999 ms", "1.2 s", "9.9 s", "12 s", "3 min 20 s", "2 h 5 min"]);
  assert.equal(plain(duration("ru", 1200)), "1,2 с");
});

test("numbers are grouped as the language does", () => {
  assert.equal(number("en", 10_000), "10,000");
  assert.equal(number("en", 1_000), "1,000");
  assert.equal(plain(number("ru", 10_000)), "10 000");
  assert.equal(number("ru", 1_000), "1000");
  assert.equal(plain(percent("en", 0.983, 1)), "98.3%");
});

test("whole numbers are written as Intl writes them", () => {
  for (const value of [0, 7, -7, 999, 1000, -1000, 9999, 10_000, 123_456, 1_234_567, -98_765_432, Number.MAX_SAFE_INTEGER]) {
    const en = new Intl.NumberFormat("en-GB", { useGrouping: true }).format(value);
    const ru = new Intl.NumberFormat("ru-RU", { useGrouping: "min2" }).format(value);
    assert.equal(number("en", value), en.replace("-", "\u2212"));
    assert.equal(number("ru", value), ru.replace("-", "\u2212"));
  }
});

test("no value other than 0 is written as 0", () => {
  /** @type {(Intl.NumberFormatOptions | undefined)[]} */
  const ways = [undefined, EXACT, { maximumFractionDigits: 0 }, { maximumFractionDigits: 6 }, { minimumFractionDigits: 4, maximumFractionDigits: 4 }, { style: "percent" }];
  for (let power = -323; power <= 20; power += 1) {
    for (const value of [1, -1, 3.2, 5, -9.99].map((one) => one * 10 ** power)) {
      for (const way of ways) for (const language of /** @type {const} */ (["en", "ru"])) assert.match(number(language, value, way), /[1-9]/, `${value}`);
      assert.match(percent("en", value, 1), /[1-9]/);
      if (value > 0 && power < 9) assert.match(duration("en", value), /[1-9]/);
    }
  }
  assert.deepEqual([number("en", 0.0004), number("ru", 3.2e-8, { maximumFractionDigits: 6 }), number("en", 0), percent("en", 0, 1)], ["0.0004", "0,000000032", "0", "0.0%"]);
});

test("a small number that can be rounded to a digit is", () => {
  assert.deepEqual([number("en", 0.96, { maximumFractionDigits: 0 }), number("en", 0.0006), percent("en", 0.0097), percent("en", 0.0006, 1)], ["1", "0.001", "1%", "0.1%"]);
  assert.equal(plain(duration("en", 0.96)), "1 ms");
  assert.deepEqual([number("en", 0.0005), number("en", 0.00049), percent("en", 0.0049)], ["0.001", "0.00049", "0.49%"]);
});

test("a number that JavaScript would round has all its digits", () => {
  assert.equal(number("en", 9007199254740993n), "9,007,199,254,740,993");
  assert.equal(plain(number("ru", -9007199254740993n)), "\u22129 007 199 254 740 993");
});

test("sizes are in steps of a thousand", () => {
  assert.deepEqual([0, 999, 1400, 2_500_000].map((size) => plain(bytes("en", size))), ["0 B", "999 B", "1.4 kB", "2.5 MB"]);
});

test("a moment tells only what is not obvious", () => {
  const now = new Date(2026, 10, 26, 15, 0);
  assert.equal(moment("en", new Date(2026, 10, 26, 9, 5), now), "09:05");
  assert.match(moment("en", new Date(2026, 10, 25, 9, 5), now), /25 Nov.*09:05/);
  assert.match(moment("en", new Date(2025, 10, 25, 9, 5), now), /2025/);
});

test("the past is told in its largest unit", () => {
  const now = new Date(2026, 10, 26, 15, 0);
  const before = (/** @type {number} */ s) => ago("en", new Date(now.getTime() - s * 1000), now);
  assert.deepEqual([0, 30, 180, 7200, 86_400].map(before), ["now", "30 seconds ago", "3 minutes ago", "2 hours ago", "yesterday"]);
});

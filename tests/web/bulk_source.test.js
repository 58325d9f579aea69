import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { csvLine, defused, parseCsv } from "../../services/app/web/bulk/csv.js";
import { decodeText, NotText } from "../../services/app/web/bulk/encoding.js";
import { sampleOf, secondsOf } from "../../services/app/web/bulk/estimate.js";
import { itemsOf, planOf, valueOf } from "../../services/app/web/bulk/inputs.js";
import { jobsOf } from "../../services/app/web/bulk/jobs.js";
import { readSource } from "../../services/app/web/bulk/source.js";
import { readJson } from "../../services/app/web/lib/json.js";

const TEXT_MODEL = { properties: { text: { type: "string" } }, required: ["text"] };
const SURVEY = {
  properties: { comment: { type: "string" }, color: { enum: ["red", "green"] }, count: { type: "integer" }, sure: { type: "boolean" } },
  required: ["color", "count", "sure"],
};

/** @param {string} text @param {object} [options] */
async function textsOf(text, options) {
  const source = await readSource(text, options);
  return itemsOf(source, TEXT_MODEL, planOf(source, TEXT_MODEL)).map(({ input }) => input.text);
}

test("quotes, doubled quotes and line breaks within quotes are parts of a cell", () => {
  const rows = parseCsv('a;"b ""c"" d";"e\r\nf"\r\n"";g\r', ";");
  assert.deepEqual(rows, [["a", 'b "c" d', "e\r\nf"], ["", "g"]]);
});

test("LF, CRLF and CR end rows alike, and the last end makes no row", () => {
  for (const end of ["\n", "\r\n", "\r"]) assert.deepEqual(parseCsv(`a,b${end}c,d${end}`, ","), [["a", "b"], ["c", "d"]]);
});

test("a quote that is never closed does not swallow the rows below it", () => {
  assert.deepEqual(parseCsv('a,"b\nc,d', ","), [["a", '"b'], ["c", "d"]]);
});

test("a quote within a cell is text", () => {
  assert.deepEqual(parseCsv('5" nail,ok', ","), [['5" nail', "ok"]]);
});

test("a long line of quotes is read in linear time", () => {
  const started = performance.now();
  parseCsv(`x${'"'.repeat(2_000_000)}`, ",");
  assert.ok(performance.now() - started < 2_000);
});

test("a semicolon file with a mark and a Russian header gives its column of texts", async () => {
  assert.deepEqual(await textsOf("\ufeff№;Отзыв\n1;Хорошо, быстро\n2;Плохо\n"), ["Хорошо, быстро", "Плохо"]);
});

test("a header that is no known word is seen by the numbers below it", async () => {
  const source = await readSource("when,stars,words\nMonday,5,all is well\nTuesday,1,all is bad\n");
  assert.equal(source.kind, "table");
  assert.ok(source.kind === "table" && source.hasHeader);
  assert.deepEqual(await textsOf("when,stars,words\nMonday,5,all is well\nTuesday,1,all is bad\n"), ["all is well", "all is bad"]);
});

test("pasted lines are texts, commas and all", async () => {
  assert.deepEqual(await textsOf("Good, fast\nBad, slow\n\n", { isPasted: true }), ["Good, fast", "Bad, slow"]);
});

test("cells pasted from a spreadsheet are a table", async () => {
  assert.deepEqual(await textsOf("id\ttext\n1\tGood\n2\tBad", { isPasted: true }), ["Good", "Bad"]);
});

test("JSON lines may be inputs, wrapped inputs or texts, and a bad line is named", async () => {
  const source = await readSource('{"text": "a"}\n{"id": 7, "input": {"text": "b"}}\n"c"\n\n{oops\n[1]\n');
  assert.deepEqual(source.errors, [{ row: 5, code: "not_json" }, { row: 6, code: "not_an_input" }]);
  const items = itemsOf(source, TEXT_MODEL, planOf(source, TEXT_MODEL));
  assert.deepEqual(items.map(({ row, input }) => [row, input.text]), [[1, "a"], [2, "b"], [3, "c"]]);
});

test("JSON lines of a model with a field called input are its inputs", async () => {
  const lines = '{"input": {"a": 1}}\n{"id": "x", "input": {"input": {"a": 1}}}\n';
  const source = await readSource(lines, { fields: ["input"] });
  assert.deepEqual(source.rows, [{ row: 1, value: { input: { a: 1 } } }, { row: 2, value: { input: { a: 1 } } }]);
  /** @type {string[]} */
  const sent = [];
  const post = async (/** @type {string} */ _, /** @type {Blob} */ body) => void sent.push(await body.text());
  const pieces = async function* () {
    yield { jobId: "", number: 0, items: itemsOf(source, TEXT_MODEL, { by: "json", missing: [] }) };
  };
  await jobsOf(/** @type {any} */ ({ post })).send(/** @type {any} */ ({ model: "m", key: "k" }), pieces());
  assert.deepEqual(sent, ['{"input":{"a":1}}\n'.repeat(2)]);
});

test("columns named like the fields become the fields, each with its type", async () => {
  const source = await readSource("Color,count,sure,comment\nRed,3,да,\ngreen,x,no,hm\n", { fields: Object.keys(SURVEY.properties) });
  const items = itemsOf(source, SURVEY, planOf(source, SURVEY));
  assert.deepEqual(items.map(({ input }) => input), [
    { color: "red", count: 3, sure: true },
    { color: "green", count: "x", sure: false, comment: "hm" },
  ]);
});

test("a file without the fields that the model needs says which are missing", async () => {
  const source = await readSource("color,text\nred,hm\n", { fields: Object.keys(SURVEY.properties) });
  assert.deepEqual(planOf(source, SURVEY), { by: "impossible", missing: ["count", "sure"] });
});

test("a row with more cells than columns is refused by its number", async () => {
  const source = await readSource("id,text\n1,good\n2,bad,worse\n");
  assert.deepEqual(source.errors, [{ row: 3, code: "too_many_cells" }]);
});

test("100,000 rows are read in pieces, and the page lives between them", async () => {
  const text = `id,text\n${Array.from({ length: 100_000 }, (_, n) => `${n},"text, number ${n}"\n`).join("")}`;
  let turns = 0;
  const ticker = setInterval(() => (turns += 1), 0);
  /** @type {number[]} */
  const shares = [];
  const source = await readSource(text, { onProgress: (share) => shares.push(share) });
  clearInterval(ticker);
  assert.equal(source.rows.length, 100_000);
  assert.ok(turns > 1 && shares.length > 1, `${turns} turns`);
  assert.deepEqual(shares, shares.toSorted((a, b) => a - b));
});

test("what spreadsheets write is decoded: UTF-8, UTF-16, windows-1251, KOI8-R", () => {
  const text = "Отлично, быстро";
  const utf16 = new Uint8Array(text.length * 2);
  for (let at = 0; at < text.length; at += 1) new DataView(utf16.buffer).setUint16(at * 2, text.charCodeAt(at), true);
  const windows = Uint8Array.from([0xce, 0xf2, 0xeb, 0xe8, 0xf7, 0xed, 0xee]);
  const koi8 = Uint8Array.from([0xef, 0xd4, 0xcc, 0xc9, 0xde, 0xce, 0xcf]);
  assert.equal(decodeText(new TextEncoder().encode(text)), text);
  assert.equal(decodeText(Uint8Array.from([0xff, 0xfe, ...utf16])), text);
  assert.equal(decodeText(windows), "Отлично");
  assert.equal(decodeText(koi8), "Отлично");
});

// tests/unit/bot/test_tables.py reads the same files by the bot's own rules.
test("a short file is decoded here as by the bot", async () => {
  const path = new URL("../support/encoded_texts.json", import.meta.url);
  const isWesternKnown = new TextDecoder("windows-1252").decode(Uint8Array.of(0x96)) === "–"; // Node.js 20 reads Latin 1
  for (const { encoding, text, hex } of JSON.parse(await readFile(path, "utf8"))) {
    const isLatin1 = encoding === "cp1252" && !isWesternKnown;
    assert.equal(decodeText(Buffer.from(hex, "hex")), isLatin1 ? Buffer.from(hex, "hex").toString("latin1") : text, encoding);
  }
});

test("bad bytes in UTF-8 are judged over the whole file, as by the bot", () => {
  const russian = "Всё хорошо, спасибо\n".repeat(5000);
  const bytes = Buffer.concat([Buffer.from("text\n"), Buffer.from("\xff\n".repeat(40), "latin1"), Buffer.from("good\n".repeat(15_000) + russian)]);
  assert.ok(decodeText(bytes).endsWith(russian));
});

test("a workbook is refused instead of being read as text", () => {
  assert.throws(() => decodeText(Uint8Array.from([0x50, 0x4b, 3, 4, 20, 0])), NotText);
});

test("cells start no formula, and numbers stay numbers", () => {
  for (const cell of ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1"]) assert.equal(defused(cell), `'${cell}`);
  for (const cell of ["-5", "+7", "-0.25", "1e-5", "text", ""]) assert.equal(defused(cell), cell);
  assert.equal(csvLine(["=1", 'a "b"', -3, null, { x: 1 }]), `'=1,"a ""b""",-3,,"{""x"":1}"\r\n`);
});

test("a cell that is not of its field's type is kept, so that the schema can name what is wrong", () => {
  assert.equal(valueOf("many", { type: "integer" }), "many");
  assert.equal(valueOf("1 000,5", { type: "number" }), 1000.5);
  assert.equal(valueOf("1,5", { anyOf: [{ type: "integer" }, { type: "number" }, { type: "null" }] }), 1.5);
  assert.deepEqual(valueOf("[1, 2]", { type: "array" }), [1, 2]);
});

// tests/unit/domain/test_fields.py reads the same numbers by the service's own rules.
test("a number in a cell is one here if it is one to the API and the bot", async () => {
  const path = new URL("../support/written_numbers.json", import.meta.url);
  for (const { kind, text, value } of readJson(await readFile(path, "utf8"))) assert.equal(valueOf(text, { type: kind }), value ?? text.trim(), text);
});

// tests/unit/domain/test_tables.py reads the same files by the service's own rules.
test("a file gives the same texts here as to the API and the bot", async () => {
  const path = new URL("../support/divided_tables.json", import.meta.url);
  for (const { what, text, texts } of JSON.parse(await readFile(path, "utf8"))) assert.deepEqual(await textsOf(text), texts, what);
});

test("long cells with line breaks are divided as short ones are", async () => {
  const cell = Array.from({ length: 40 }, (_, n) => `A line of the story that is long enough to matter, number ${n}.`).join("\n");
  for (const rows of [20, 200]) {
    const source = await readSource(["nr;opinion", ...Array.from({ length: rows }, (_, n) => `${n};"${cell}"`)].join("\n"));
    assert.ok(source.kind === "table" && source.delimiter === ";", `${rows} rows`);
    assert.equal(source.rows.length, rows);
  }
});

test("a table whose first row is longer than the sample is divided", async () => {
  const long = "word ".repeat(20_000).trim();
  assert.deepEqual(await textsOf(`1;${long}\n2;${long}\n`), [long, long]);
});

test("a line of JSON longer than the sample is JSON", async () => {
  for (const line of [JSON.stringify({ text: "a".repeat(100_000) }), JSON.stringify("b".repeat(100_000))]) {
    assert.equal((await readSource(`${line}\n${line}\n`)).kind, "jsonl");
  }
});

test("a job's time is quoted by its first rows, as many as one request holds", () => {
  const items = (/** @type {number} */ rows, /** @type {string} */ text) => Array.from({ length: rows }, (_, row) => ({ row, cells: [], input: { text } }));
  assert.equal(sampleOf(items(3, "short")).length, 3);
  assert.equal(sampleOf(items(10_000, "short")).length, 500);
  assert.ok(JSON.stringify(sampleOf(items(10_000, "x".repeat(4000)))).length < 210_000);
  assert.equal(sampleOf(items(2, "x".repeat(300_000))).length, 1);
  assert.equal(secondsOf(10_000, 500, 3.5), 70);
  assert.equal(secondsOf(10_000, 500, null), null);
});

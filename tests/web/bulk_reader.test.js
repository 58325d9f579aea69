import assert from "node:assert/strict";
import { test } from "node:test";

import { chosenIn, itemsOf, planOf } from "../../services/app/web/bulk/inputs.js";
import { RowReader } from "../../services/app/web/bulk/reader.js";

const TEXT = { type: "string" };
/** @type {Record<string, import("../../services/app/web/bulk/inputs.js").InputSchema>} */
const MODELS = {
  text: { properties: { text: TEXT }, required: ["text"] },
  question: { properties: { question: TEXT }, required: ["question"] },
  pair: { properties: { premise: TEXT, hypothesis: TEXT }, required: ["premise", "hypothesis"] },
  survey: { properties: { comment: TEXT, count: { type: "integer" } }, required: ["count"] },
};
const GIVEN = ["question\nWho?\nWhy?\n", "premise,hypothesis\nIt rains,It is wet\n", "count,comment\n1,good\n2,bad\n", '"question"\n"Who?"\n', "text\ta\nb\tc\n", "one, two\nthree\n"];

/** @param {string} model */
const fieldsOf = (model) => Object.keys(MODELS[model]?.properties ?? {});

/** @param {RowReader} reader @param {string} model @param {number} [column] */
function inputsOf(reader, model, column) {
  const source = reader.found?.source;
  const schema = MODELS[model] ?? {};
  assert.ok(source);
  const plan = planOf(source, schema, column);
  return { by: plan.by, missing: plan.missing, inputs: itemsOf(source, schema, plan).map(({ input }) => input) };
}

/** @param {RowReader} reader @param {string} text @param {boolean} isFile */
const give = (reader, text, isFile) => (isFile ? reader.file(new File([text], "a.csv")) : reader.text(text));

test("a model that is chosen after the reading gets the same inputs as one that is chosen before", async () => {
  let differing = 0;
  for (const text of GIVEN) {
    for (const isFile of [true, false]) {
      for (const first of Object.keys(MODELS)) {
        for (const second of Object.keys(MODELS)) {
          const before = new RowReader(fieldsOf(second));
          await give(before, text, isFile);
          const after = new RowReader(fieldsOf(first));
          await give(after, text, isFile);
          const read = after.found?.source;
          await after.forFields(fieldsOf(second));
          differing += Number(JSON.stringify(read) !== JSON.stringify(after.found?.source));
          assert.deepEqual(inputsOf(after, second), inputsOf(before, second), `${first}, then ${second}: ${text}`);
        }
      }
    }
  }
  assert.ok(differing > 10, "the fields decide how these are read");
});

test("a model that is chosen while a file is read gets it read for its fields, and no rows are there meanwhile", async () => {
  const reader = new RowReader(fieldsOf("text"));
  await reader.text("the rows before");
  const reading = reader.file(new File([GIVEN[0] ?? ""], "a.csv"));
  assert.equal(reader.found, null);
  const again = reader.forFields(fieldsOf("question"));
  await Promise.all([reading, again]);
  assert.deepEqual(inputsOf(reader, "question").inputs, [{ question: "Who?" }, { question: "Why?" }]);
  const third = reader.forFields(fieldsOf("text"));
  assert.equal(reader.found, null);
  await third;
});

test("what is given last is read, and a fault of what was given before is not told", async () => {
  const reader = new RowReader(fieldsOf("text"));
  const workbook = reader.file(new File([Uint8Array.of(0x50, 0x4b, 3, 4, 20, 0)], "a.xlsx"));
  const text = reader.text("one\ntwo");
  await Promise.all([workbook, text]);
  assert.deepEqual([reader.error, inputsOf(reader, "text").inputs.length], [null, 2]);
  await reader.file(new File([Uint8Array.of(0x50, 0x4b, 3, 4, 20, 0)], "a.xlsx"));
  assert.ok(reader.error && reader.found === null);
});

test("a column that was chosen is that of the columns among which it was, not of what is pasted next", async () => {
  const reader = new RowReader(fieldsOf("text"));
  await reader.text("id\ttext\n1\tgood\n2\tbad");
  const { source } = /** @type {import("../../services/app/web/bulk/reader.js").ReadRows} */ (reader.found);
  const choice = { columns: source.kind === "table" ? source.columns : [], place: 0 };
  assert.deepEqual(inputsOf(reader, "text", chosenIn(choice, source)).inputs, [{ text: "1" }, { text: "2" }]);
  await reader.text("id\ttext\n3\tgood");
  assert.deepEqual(inputsOf(reader, "text", chosenIn(choice, reader.found?.source ?? source)).inputs, [{ text: "3" }]);
  for (const pasted of ["one\ntwo", "a\ttext\n1\tone\n2\ttwo"]) {
    await reader.text(pasted);
    assert.deepEqual(inputsOf(reader, "text", chosenIn(choice, reader.found?.source ?? source)).inputs, [{ text: "one" }, { text: "two" }]);
  }
});

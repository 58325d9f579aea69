import assert from "node:assert/strict";
import { test } from "node:test";
import { check, choicesOf, clean, errorsByPath, excerpt, filledIn, initial, kindOf, labelOf, takesAnyText, toForm } from "../../services/app/web/lib/schema.js";

const TEXT = {
  type: "object",
  properties: { text: { type: "string", minLength: 1, maxLength: 5000 } },
  required: ["text"],
};
const ORDER = {
  type: "object",
  properties: {
    name: { type: "string", maxLength: 80 },
    amount: { type: "integer", minimum: 1, maximum: 9 },
    weight: { type: "number" },
    size: { enum: ["s", "m", 3] },
    gift: { type: "boolean" },
    address: { type: "object", properties: { city: { type: "string", minLength: 1 } }, required: ["city"] },
    notes: { type: "array", items: { type: "string", minLength: 1 }, minItems: 1, maxItems: 2 },
    photo: { type: "string", contentEncoding: "base64" },
    rest: {},
  },
  required: ["name", "amount"],
};

test("each kind of schema has its control", () => {
  const kinds = Object.values(ORDER.properties).map((one) => kindOf(one, 1));
  assert.deepEqual(kinds, ["text", "integer", "number", "choice", "checkbox", "object", "array", "file", "json"]);
  assert.equal(kindOf(TEXT.properties.text), "longtext");
  assert.equal(kindOf({ $ref: "#/x" }), "json");
  assert.equal(kindOf({ type: ["string", "null"], maxLength: 10 }), "text");
  assert.equal(kindOf({ oneOf: [{ const: 1, title: "One" }, { const: 2 }] }), "choice");
});

test("an endless schema ends in a JSON field", () => {
  const deep = { type: "object", properties: /** @type {any} */ ({}) };
  deep.properties.again = deep;
  assert.ok(JSON.stringify(initial(deep)).length < 1000);
});

test("what is left empty and is not required is left out", () => {
  const form = { ...initial(ORDER), name: "Anna", amount: "3" };
  assert.deepEqual(clean(ORDER, form), { name: "Anna", amount: 3, gift: false });
});

test("a form's values become the input that the schema asks for", () => {
  const input = {
    name: "Anna",
    amount: 3,
    weight: 1.5,
    size: 3,
    gift: true,
    address: { city: "Tula" },
    notes: ["a", "b"],
    photo: "aGk=",
    rest: { any: [1] },
  };
  assert.deepEqual(clean(ORDER, toForm(ORDER, input)), input);
  assert.equal(clean(ORDER, { ...toForm(ORDER, input), weight: "1,5" }).weight, 1.5);
});

test("an empty required text is sent as it is and refused where the schema wants characters", () => {
  assert.deepEqual(clean(TEXT, { text: "" }), { text: "" });
  assert.deepEqual(check(TEXT, { text: "" }), [{ path: "text", code: "text" }]);
  assert.deepEqual(check(TEXT, { text: " \n\t " }), [{ path: "text", code: "text" }]);
  assert.deepEqual(check({ ...TEXT, properties: { text: { type: "string" } } }, { text: "" }), []);
});

test("faults name their place and their limit", () => {
  const form = {
    ...initial(ORDER),
    name: "x".repeat(81),
    amount: "10",
    weight: "heavy",
    address: { city: "" },
    notes: ["a", "", "c"],
    rest: "{",
  };
  assert.deepEqual(check(ORDER, form), [
    { path: "name", code: "maxLength", limit: 80 },
    { path: "amount", code: "maximum", limit: 9 },
    { path: "weight", code: "number" },
    { path: "notes", code: "maxItems", limit: 2 },
    { path: "notes.1", code: "text" },
    { path: "rest", code: "json" },
  ]);
});

test("an optional object is checked once something in it is filled in", () => {
  const schema = {
    type: "object",
    properties: {
      address: {
        type: "object",
        properties: { city: { type: "string", minLength: 1 }, street: { type: "string", minLength: 1 } },
        required: ["city"],
      },
    },
  };
  assert.deepEqual(check(schema, initial(schema)), []);
  const begun = { address: { city: "", street: "Main" } };
  assert.deepEqual(check(schema, begun), [{ path: "address.city", code: "text" }]);
});

test("lengths count characters, not UTF-16 units", () => {
  const schema = { type: "object", properties: { text: { type: "string", maxLength: 2 } }, required: ["text"] };
  assert.deepEqual(check(schema, { text: "🙂🙂" }), []);
});

test("the API's errors find their fields", () => {
  const errors = [
    { location: "input.text", message: "too long" },
    { location: "body.input.notes.1", message: "empty" },
    { location: "body.deadline_s", message: "bad" },
    { location: "input", message: "whole" },
  ];
  assert.deepEqual(errorsByPath(errors), { text: "too long", "notes.1": "empty", "": "bad" });
});

test("names become words, and inputs a line", () => {
  assert.equal(labelOf("customer_id", {}), "Customer id");
  assert.equal(labelOf("maxTokens", {}), "Max tokens");
  assert.equal(labelOf("x", { title: "Given" }), "Given");
  assert.equal(excerpt({ n: 1, text: "hello" }), "hello");
  assert.equal(excerpt({ n: 1 }), '{"n":1}');
  assert.equal(excerpt(null), "");
  const file = { type: "object", properties: { content: { type: "string", contentEncoding: "base64" }, name: { type: "string" } } };
  /** @param {number} bytes */
  const words = (bytes) => `file of ${bytes}`;
  assert.equal(excerpt({ content: "R0lGODlhAQ==" }, file, words), "file of 7");
  assert.equal(excerpt({ content: "data:text/plain;base64,aGVsbG8=" }, file, words), "file of 5");
  assert.equal(excerpt({ content: "R0lGODlhAQ==", name: "a dot" }, file, words), "a dot");
});

test("what the types of a model make is a form without JSON fields", () => {
  // As `ml_service/runtime/author/schemas.py` writes `X | None = None`, a Literal, a date, bytes and a dataclass.
  const schema = {
    type: "object",
    properties: {
      text: { type: "string", minLength: 1 },
      n: { type: "integer", default: 3 },
      color: { type: ["string", "null"], enum: ["red", "green", null], default: null },
      sure: { type: ["boolean", "null"], default: null },
      day: { type: ["string", "null"], format: "date", default: null },
      file: { type: ["string", "null"], contentEncoding: "base64", default: null },
      place: {
        type: ["object", "null"],
        properties: { city: { type: "string" }, zip: { type: ["string", "null"], default: null } },
        required: ["city"],
        default: null,
      },
    },
    required: ["text"],
    additionalProperties: false,
  };
  const kinds = Object.values(schema.properties).map((one) => kindOf(one, 1));
  assert.deepEqual(kinds, ["longtext", "integer", "choice", "choice", "text", "file", "object"]);
  assert.deepEqual(choicesOf(schema.properties.color), ["red", "green"]);
  assert.deepEqual(choicesOf(schema.properties.sure), [true, false]);
  const empty = initial(schema);
  assert.deepEqual(clean(schema, { ...empty, text: "hello" }), { text: "hello", n: 3 });
  assert.deepEqual(check(schema, { ...empty, text: "hello" }), []);
  const filled = { ...empty, text: "hello", color: "1", sure: "0", day: "2026-01-31", place: { city: "Omsk", zip: "" } };
  assert.deepEqual(clean(schema, filled), {
    text: "hello",
    n: 3,
    color: "green",
    sure: true,
    day: "2026-01-31",
    place: { city: "Omsk" },
  });
});

test("a field that may be null and begins with something is null where a person has emptied it", () => {
  const schema = {
    type: "object",
    properties: {
      note: { type: ["string", "null"], default: "none" },
      count: { anyOf: [{ type: "integer" }, { type: "null" }], default: 3 },
      color: { type: ["string", "null"], enum: ["red", null], default: "red" },
      day: { type: ["string", "null"], format: "date", default: null },
      name: { type: "string", default: "echo" },
    },
  };
  assert.deepEqual(clean(schema, initial(schema)), { note: "none", count: 3, color: "red", name: "echo" });
  const emptied = { note: "", count: "", color: "", day: "", name: "" };
  assert.deepEqual(clean(schema, emptied), { note: null, count: null, color: null });
});

test("a field that has to be there and may be null is null where it is left empty", () => {
  const properties = {
    text: { type: ["string", "null"], minLength: 1 },
    count: { type: ["integer", "null"] },
    color: { type: ["string", "null"], enum: ["red", null] },
    sure: { type: ["boolean", "null"] },
    day: { type: ["string", "null"], format: "date" },
    at: { type: ["string", "null"], format: "date-time" },
    tags: { type: ["array", "null"], items: { type: "string" }, minItems: 2 },
    place: { type: ["object", "null"], properties: { city: { type: "string", minLength: 1 } }, required: ["city"] },
    either: { anyOf: [{ type: "integer", minimum: 1 }, { type: "array" }, { type: "null" }] },
  };
  const schema = { type: "object", properties, required: Object.keys(properties) };
  const nothing = Object.fromEntries(Object.keys(properties).map((name) => [name, null]));
  assert.deepEqual(check(schema, initial(schema)), []);
  assert.deepEqual(clean(schema, initial(schema)), nothing);
  assert.deepEqual(clean(schema, toForm(schema, nothing)), nothing);
  assert.deepEqual([...filledIn({ ...schema, properties: { ...properties, n: { type: "integer" } }, required: ["n", "day"] })], ["n"]);
  const list = { type: "array", items: { type: ["integer", "null"] } };
  assert.deepEqual(check(list, ["1", ""]), []);
  assert.deepEqual(clean(list, ["1", ""]), [1, null]);
});

test("numbers of two kinds are numbers, and what may be a text takes any", () => {
  const anyOf = [{ type: "integer" }, { type: "number" }, { type: "null" }];
  assert.equal(kindOf({ anyOf, default: null }, 1), "number");
  assert.equal(kindOf({ type: ["integer", "number"] }, 1), "number");
  const either = { anyOf: [{ type: "integer" }, { type: "string" }, { type: "null" }], default: null };
  assert.equal(kindOf(either, 1), "json");
  assert.equal(kindOf({ type: ["integer", "string"] }, 1), "json");
  assert.ok(takesAnyText(either));
  const schema = { type: "object", properties: { either }, required: [] };
  for (const [typed, sent] of [["", undefined], ["a word", "a word"], ["12", 12]]) {
    assert.deepEqual(check(schema, { either: typed }), []);
    assert.deepEqual(clean(schema, { either: typed }), sent === undefined ? {} : { either: sent });
  }
  assert.equal(toForm(either, "a word", 1), "a word");
});

test("a JSON field that may stay empty is empty at first", () => {
  const marks = { type: ["object", "null"], additionalProperties: { type: "integer" }, default: null };
  const pair = { type: ["array", "null"], prefixItems: [{ type: "integer" }], default: null };
  assert.deepEqual([initial(marks, 1), initial(pair, 1)], ["", ""]);
});

test("a moment is typed on this device's clock and sent with its zone", () => {
  const schema = { type: "object", properties: { at: { type: "string", format: "date-time" } }, required: ["at"] };
  const form = toForm(schema, { at: "2026-01-31T12:00:00Z" });
  assert.match(form.at, /^2026-0\d-[03]\dT\d\d:\d\d$/);
  assert.deepEqual(clean(schema, form), { at: "2026-01-31T12:00:00.000Z" });
  assert.equal(toForm(schema, { at: "2026-01-31T12:00:30Z" }).at.slice(-3), ":30");
  assert.deepEqual(check(schema, { at: "" }), [{ path: "at", code: "required" }]);
});

test("a date that is asked for is not left empty", () => {
  const schema = { type: "object", properties: { due: { type: "string", format: "date" } }, required: ["due"] };
  assert.deepEqual(check(schema, { due: "" }), [{ path: "due", code: "required" }]);
  assert.deepEqual(check(schema, { due: "2026-01-31" }), []);
});

test("a text beside a number is sent as a text wherever it is no value of the number", () => {
  const schema = { anyOf: [{ type: "integer" }, { type: "string" }] };
  assert.equal(clean(schema, "5"), 5);
  assert.equal(clean(schema, "12345678901234567890"), 12345678901234567890n);
  for (const text of ["5.5", "true", "null", "[1]", "18446744073709551616", "abc"]) assert.equal(clean(schema, text), text);
});

test("a moment that is none stays as it was typed, for the service to refuse", () => {
  assert.equal(clean({ type: "string", format: "date-time" }, "20266-01-31T12:00"), "20266-01-31T12:00");
});

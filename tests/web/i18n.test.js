import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { phrase } from "../../services/app/web/i18n/phrases.js";

/** @typedef {import("../../services/app/web/i18n/phrases.js").Dictionary} Dictionary */

const WEB = new URL("../../services/app/web/", import.meta.url).pathname;
const BASE = ["common", "auth", "predict"];
/** @type {Record<string, Dictionary>} phrases by language and file */
const parts = {};
for (const language of ["en", "ru"]) {
  for (const file of readdirSync(join(WEB, "i18n", language))) {
    if (!["models.js", "refusals.js"].includes(file)) parts[`${language}/${file.replace(".js", "")}`] = (await import(join(WEB, "i18n", language, file))).default;
  }
}
/** @param {string} language @returns {Dictionary} */
const all = (language) =>
  Object.assign({}, ...Object.keys(parts).filter((name) => name.startsWith(`${language}/`)).map((name) => parts[name]));
const en = all("en");
const ru = all("ru");
const WORKING_FOLDERS = new Set(["vendor", "docs", "i18n"]);

/** @param {unknown} found @returns {string} the names of all parameters of a phrase, in order */
const parameters = (found) => {
  const texts = typeof found === "string" ? [found] : Object.values(/** @type {object} */ (found));
  return [...new Set(texts.flatMap((text) => text.match(/(?<=\{)\w+/g) ?? []))].sort().join();
};

/** @param {string} folder @returns {string[]} */
const scripts = (folder) =>
  readdirSync(folder, { withFileTypes: true }).flatMap((one) => {
    if (one.isDirectory()) return WORKING_FOLDERS.has(one.name) ? [] : scripts(join(folder, one.name));
    return one.name.endsWith(".js") ? [join(folder, one.name)] : [];
  });

test("both languages have the same phrases with the same parameters", () => {
  assert.deepEqual(Object.keys(ru).sort(), Object.keys(en).sort());
  for (const [key, found] of Object.entries(en)) assert.equal(parameters(ru[key]), parameters(found), key);
});

test("seconds are told in their natural unit", () => {
  const told = (/** @type {number | string} */ n) => phrase("ru", ru, "state.pace", { n }).replaceAll("\u00a0", " ");
  assert.deepEqual([told(12), told(125), told("@")], [
    "Слишком быстро. Продолжим через 12 с.",
    "Слишком быстро. Продолжим через 2 мин 5 с.",
    "Слишком быстро. Продолжим через @.",
  ]);
});

test("a limit has all its digits", () => {
  const limit = (/** @type {number | bigint} */ n) => [phrase("en", en, "fault.minimum", { n }), phrase("ru", ru, "fault.maximum", { n })].map((one) => one.replaceAll("\u00a0", " "));
  assert.deepEqual(limit(0.0001), ["Not below 0.0001.", "Не больше 0,0001."]);
  assert.deepEqual(limit(2.71828), ["Not below 2.71828.", "Не больше 2,71828."]);
  assert.deepEqual(limit(2n ** 64n - 1n), ["Not below 18,446,744,073,709,551,615.", "Не больше 18 446 744 073 709 551 615."]);
});

test("Russian plurals have all forms that differ", () => {
  for (const [key, found] of Object.entries(ru)) {
    if (typeof found === "string") continue;
    assert.ok(found.one && found.other, key);
    assert.ok(Object.keys(found).length !== 3, `${key}: one, few, many and other, or one and other`);
  }
});

test("each phrase that the code names exists", () => {
  const missing = scripts(WEB).flatMap((path) => {
    const named = readFileSync(path, "utf8").matchAll(/\bt\(\s*"([\w.]+)"/g);
    return [...named].map((one) => one[1] ?? "").filter((key) => !(key in en));
  });
  assert.deepEqual(missing, []);
});

test("texts have no exclamation mark and no 'please'", () => {
  for (const dictionary of [en, ru]) {
    for (const [key, found] of Object.entries(dictionary)) {
      assert.doesNotMatch(JSON.stringify(found), /!|\bplease\b|пожалуйста/i, key);
    }
  }
});

test("one sentence holds several plurals", () => {
  const say = (/** @type {number} */ cost) => phrase("ru", ru, "error.insufficient_credits", { cost, balance: 1 });
  assert.equal(say(3), "Это стоит 3 кредита, у вас 1.");
  assert.equal(say(5), "Это стоит 5 кредитов, у вас 1.");
  assert.equal(say(21), "Это стоит 21 кредит, у вас 1.");
  assert.equal(phrase("en", en, "error.insufficient_credits", { cost: 1, balance: 0 }), "This costs 1 credit and you have 0.");
  assert.equal(phrase("en", en, "predict.button", { n: 10_000 }), "Predict · 10,000 credits");
});

test("a phrase that does not exist shows its key, and values are not read as phrases", () => {
  assert.equal(phrase("en", en, "no.such"), "no.such");
  assert.equal(phrase("en", { a: "{x}" }, "a", { x: "{y} <b>" }), "{y} <b>");
});

test("each view loads the phrases that it names", () => {
  const routes = readFileSync(join(WEB, "routes.js"), "utf8");
  const entries = [...routes.matchAll(/import\("\.\/(views\/\w+\.js)"\)(?:,\s*words: (\[[^\]]*\]))?/g)];
  assert.ok(entries.length > 5);
  for (const [, view = "", words = "[]"] of entries) {
    const known = Object.assign({}, ...[...BASE, ...JSON.parse(words)].map((name) => parts[`en/${name}`]));
    /** @type {Set<string>} */
    const files = new Set();
    follow(view, files);
    const named = [...files].flatMap((file) => [...readFileSync(join(WEB, file), "utf8").matchAll(/\bt\(\s*["`]([\w.]+)(["`]?)/g)]);
    const unknown = named.filter(([, key = "", end]) =>
      end ? !(key in known) : !Object.keys(known).some((one) => one.startsWith(key)),
    );
    assert.deepEqual(unknown.map((one) => one[1]), [], view);
  }
});

/** @param {string} file @param {Set<string>} found our modules that importing it loads */
function follow(file, found) {
  if (found.has(file)) return;
  found.add(file);
  for (const [, one = ""] of readFileSync(join(WEB, file), "utf8").matchAll(/from "(\.[^"]+)"/g)) {
    follow(normalize(join(dirname(file), one)), found);
  }
}

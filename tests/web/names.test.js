/** One name, one thing: what a module exports, and each type that it defines, is found by its name alone. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { test } from "node:test";

const WEB = new URL("../../services/app/web", import.meta.url).pathname;
const OTHERS = new Set(["vendor", "docs", "i18n"]); // not ours; or a file for each language
const DEFINED = /^export (?:default )?(?:async )?(?:function\*?|const|let|class) (\w+)|@typedef \{(?!import\().*?\}+ (\w+)(?= |$)/gm;
/** `router.start()`: app.js starts a module by its name. A type beside the function is told apart by its capital. */
const CALLED_BY_MODULE = new Set(["start"]);

/** @param {string} folder @returns {string[]} */
function modules(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((one) => {
    if (one.isDirectory()) return folder === WEB && OTHERS.has(one.name) ? [] : modules(join(folder, one.name));
    return one.name.endsWith(".js") ? [join(folder, one.name)] : [];
  });
}

/** A type may take several lines. @param {string} text */
const joinTypes = (text) => text.replace(/\n \* {3}/g, " ");

test("no two modules define one name", () => {
  /** @type {Map<string, string[]>} */
  const places = new Map();
  for (const file of modules(WEB)) {
    for (const [, exported, type] of joinTypes(readFileSync(file, "utf8")).matchAll(DEFINED)) {
      const name = exported ?? type ?? "";
      places.set(name, [...(places.get(name) ?? []), relative(WEB, file)]);
    }
  }
  assert.ok(places.size > 200);
  assert.ok(["Trouble", "Prediction", "forgetKey"].every((one) => places.has(one)));
  assert.deepEqual([...places].filter(([name, files]) => files.length > 1 && !CALLED_BY_MODULE.has(name)), []);
});

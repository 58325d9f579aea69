import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";

const WEB = new URL("../../services/app/web/", import.meta.url).pathname;
const PAGE = readFileSync(join(WEB, "index.html"), "utf8");
const EARLY = readFileSync(join(WEB, "early.js"), "utf8");
const ROUTES = readFileSync(join(WEB, "routes.js"), "utf8");
const MAP = JSON.parse(/<script type="importmap">(.*?)<\/script>/s.exec(PAGE)?.[1] ?? "{}").imports;
/** Minified: they import only each other. */
const UNNAMED = ["vendor/htm.js", "vendor/signals-core.js", "vendor/preact.js"];

/** @param {string} file @param {Set<string>} found all modules that importing it loads, by their place in web/ */
function follow(file, found) {
  if (found.has(file)) return;
  found.add(file);
  if (file.startsWith("vendor/")) return;
  const text = readFileSync(join(WEB, file), "utf8");
  for (const [, one = ""] of text.matchAll(/^(?:import|export)\s[^"';]*?from\s*"([^"]+)"|^import\s*"([^"]+)"/gm)) {
    follow(one.startsWith(".") ? normalize(join(dirname(file), one)) : MAP[one].replace("/web/", ""), found);
  }
}

/** @param {string[]} files @returns {Set<string>} */
function needed(files) {
  const found = new Set(UNNAMED);
  for (const file of files) follow(file, found);
  return found;
}

const FIRST = needed(["app.js"]);

/** @param {string[]} files @returns {string} as early.js has them */
function listed(files) {
  const modules = [...needed(files)].filter((one) => !FIRST.has(one)).sort();
  return modules.map((one) => one.replace(/\.js$/, "")).join(" ");
}

test("the page begins to load all modules of its frame at once", () => {
  const preloaded = [...PAGE.matchAll(/<link rel="modulepreload" href="\/web\/([^"]+)">/g)].map((one) => one[1] ?? "");
  assert.deepEqual(preloaded.filter((one) => !existsSync(join(WEB, one))), []);
  assert.deepEqual([...preloaded, "app.js"].sort(), [...FIRST].sort());
});

test("the page begins to load all modules of the views where people begin at once", () => {
  const found = Object.fromEntries([...EARLY.matchAll(/^ {4}(\w+):\s*"([^"]*)",$/gm)].map((one) => [one[1], one[2]]));
  assert.deepEqual(found, {
    signed_in: listed(["components/account_menu.js", "stream.js"]),
    home: listed(["views/welcome.js"]),
    predict: listed(["views/predict.js"]),
  });
});

test("files of styles come with the page or with a view", () => {
  const linked = [...PAGE.matchAll(/<link rel="stylesheet" href="\/web\/styles\/(\w+)\.css">/g)].map((one) => one[1]);
  const later = JSON.parse(/STYLES = (\[.*?\])/.exec(ROUTES)?.[1] ?? "[]");
  assert.deepEqual([...linked, ...later].filter((one) => !existsSync(join(WEB, `styles/${one}.css`))), []);
  assert.equal(new Set([...linked, ...later]).size, linked.length + later.length);
});

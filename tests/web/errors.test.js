import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { explain, sentenceOf, wholeFault } from "../../services/app/web/errors.js";
import { readJson } from "../../services/app/web/lib/json.js";
import { numberOf } from "../../services/app/web/lib/numbers.js";
import { ApiError, readAnswer } from "../../services/app/web/problem.js";

test("a failure of the service is told with the id to quote, and nothing else is", () => {
  const failed = new ApiError(500, "internal_error", "Internal", { requestId: "r-1" });
  assert.match(explain(failed), / r-1$/);
  assert.doesNotMatch(sentenceOf(failed), /r-1/);
  const refused = new ApiError(409, "something_new", "Not now.", { requestId: "r-1" });
  assert.equal(explain(refused), "Not now.");
  assert.doesNotMatch(explain(new ApiError(503, "overloaded", "Busy", { requestId: "r-1" })), /r-1/);
});

test("what a proxy refuses in its own page has a code of the service, and no words of the proxy", async () => {
  for (const [status, code] of /** @type {[number, string][]} */ ([[413, "payload_too_large"], [429, "too_many_requests"], [502, "unavailable"]])) {
    const answer = new Response("<html>", { status, statusText: "In English", headers: { "Content-Type": "text/html" } });
    await assert.rejects(readAnswer(answer), { status, code, detail: "" });
  }
});

test("a form takes the same whole numbers as a table and the bot", async () => {
  const path = new URL("../support/written_numbers.json", import.meta.url);
  for (const { kind, text, value } of readJson(await readFile(path, "utf8"))) {
    if (kind !== "integer") continue;
    assert.equal(wholeFault(text, -1e9, 1e9) === null, value !== null, text);
    assert.equal(numberOf(text, true), value, text);
  }
});

test("no form has the browser's number field, which takes 1e3 and gives nothing for what it cannot read", async () => {
  const web = new URL("../../services/app/web/", import.meta.url).pathname;
  const scripts = (await readdir(web, { recursive: true })).filter((one) => one.endsWith(".js") && !/^(vendor|docs)\//.test(one));
  for (const script of scripts) assert.doesNotMatch(await readFile(join(web, script), "utf8"), /type="number"/, script);
});

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { PLACEHOLDER, snippet } from "../../services/app/web/lib/snippets.js";
import { dayOf, endOf, filled, lastDays, startOfMonth } from "../../services/app/web/lib/days.js";

const NASTY = { text: `it's "quoted" $HOME \`x\` \\n {1} ёж\n🦔`, count: 1.5, sure: true, none: null, list: ["a'b"] };

/** A service that remembers what it was asked. */
async function listening() {
  /** @type {{ asked?: any, key?: string, wait?: string }} */
  const seen = {};
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    response.setHeader("Content-Type", "application/json");
    seen.asked = JSON.parse(body);
    seen.key = request.headers.authorization;
    seen.wait = String(request.headers.prefer);
    response.end(JSON.stringify({ status: "succeeded", output: { label: "positive" } }));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(null)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return { seen, server, origin: `http://127.0.0.1:${port}` };
}

/** @param {string} command @param {string[]} args */
function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (part) => (output += part));
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve(output) : reject(new Error(`${command} ended with ${code}`))));
  });
}

const hasCurl = (() => {
  try {
    return /curl (\d+)\.(\d+)/.test(execFileSync("curl", ["--version"]).toString());
  } catch {
    return false;
  }
})();

const LANGUAGES = /** @type {const} */ ([
  ["curl", "bash", "sh"],
  ["python", "python3", "py"],
  ["javascript", "node", "mjs"],
]);
for (const [language, command, suffix] of LANGUAGES) {
  test(`the ${language} snippet runs as it is, whatever its values hold`, { skip: language === "curl" && !hasCurl }, async () => {
    const { seen, server, origin } = await listening();
    const text = snippet(language, { origin, key: "mls_abc-_1", model: "sentiment", input: NASTY });
    const file = join(mkdtempSync(join(tmpdir(), "snippet-")), `call.${suffix}`);
    writeFileSync(file, text);
    const output = await run(command, [file]);
    server.close();
    assert.deepEqual(seen.asked, { model: "sentiment", input: NASTY });
    assert.equal(seen.key, "Bearer mls_abc-_1");
    assert.equal(seen.wait, "wait=10");
    assert.match(output, /positive/);
  });

  test(`the ${language} snippet without a key has a placeholder for one`, () => {
    const text = snippet(language, { origin: "/service", key: null, model: "sentiment", input: NASTY });
    assert.equal(text.split(PLACEHOLDER).length, 2);
  });
}

test("the python snippet says what the service refused", async () => {
  const server = createServer((_, response) => {
    response.writeHead(401, { "Content-Type": "application/problem+json" }).end('{"detail": "The API key is unknown."}');
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(null)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const text = snippet("python", { origin: `http://127.0.0.1:${port}`, key: "mls_wrong", model: "echo", input: {} });
  const child = spawn("python3", ["-c", text]);
  let said = "";
  child.stderr.on("data", (part) => (said += part));
  const code = await new Promise((resolve) => child.on("close", resolve));
  server.close();
  assert.deepEqual([code, said.trim()], [1, '{"detail": "The API key is unknown."}']);
});

test("a day without predictions is a zero in the chart", () => {
  const days = lastDays(3, new Date("2026-03-01T01:00:00Z"));
  assert.deepEqual(days, ["2026-02-27", "2026-02-28", "2026-03-01"]);
  const credits = filled([{ day: "2026-02-28", predictions: 2, succeeded: 2, failed: 0, credits: 5 }], days).map((one) => one.credits);
  assert.deepEqual(credits, [0, 5, 0]);
  assert.equal(startOfMonth(new Date("2026-03-31T23:59:00Z")), "2026-03-01");
});

test("a key that ends with a day ends with it where it was chosen", () => {
  const zone = process.env.TZ;
  try {
    for (const [name, at] of [["Europe/Moscow", "2026-11-26T20:59:59.000Z"], ["America/New_York", "2026-11-27T04:59:59.000Z"]]) {
      process.env.TZ = name;
      assert.equal(endOf("2026-11-26"), at);
      assert.equal(dayOf(endOf("2026-11-26")), "2026-11-26");
    }
  } finally {
    if (zone === undefined) delete process.env.TZ;
    else process.env.TZ = zone;
  }
});

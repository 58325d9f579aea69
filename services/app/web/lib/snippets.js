/**
 * The same call as code that runs as it is. Pure; tested by node.
 * snippet("curl" | "python" | "javascript", {origin, model, input, key}) → text. Without a key there is a placeholder for it.
 */
import { writeJson } from "./json.js";

/** @typedef {{origin: string, model: string, input: unknown, key: string | null}} Call */

/** Stands where an API key belongs. */
export const PLACEHOLDER = "mls_YOUR_KEY";

/** @param {string} text @returns {string} in single quotes for a shell */
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** @param {unknown} value @returns {string} a JSON text that is also a Python or JavaScript literal string's content */
const json = (value) => writeJson(value);

/** @param {Call} call */
function curl({ origin, model, input, key }) {
  return `curl -sS ${origin}/predictions/predict \\
  -H "Authorization: Bearer ${key ?? PLACEHOLDER}" \\
  -H "Content-Type: application/json" \\
  -H "Prefer: wait=10" \\
  -d ${quoted(json({ model, input }))}
`;
}

/** @param {unknown} value @returns {string} as Python writes it */
function pythonLiteral(value) {
  if (value === null || value === undefined) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(pythonLiteral).join(", ")}]`;
  if (typeof value === "object") {
    return `{${Object.entries(value).map(([name, one]) => `${json(name)}: ${pythonLiteral(one)}`).join(", ")}}`;
  }
  return json(value);
}

/** @param {Call} call */
function python({ origin, model, input, key }) {
  return `import json
from urllib.error import HTTPError
from urllib.request import Request, urlopen

KEY = ${json(key ?? PLACEHOLDER)}
SERVICE = ${json(origin)}

request = Request(
    f"{SERVICE}/predictions/predict",
    json.dumps({"model": ${json(model)}, "input": ${pythonLiteral(input)}}).encode(),
    {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", "Prefer": "wait=10"},
)
try:
    print(json.load(urlopen(request))["output"])
except HTTPError as error:
    raise SystemExit(error.read().decode()) from None
`;
}

/** @param {Call} call */
function javascript({ origin, model, input, key }) {
  const body = json({ model, input });
  // A literal with more digits than JavaScript keeps would be rounded where it runs.
  const isKept = JSON.stringify(JSON.parse(body)) === body;
  return `const key = ${json(key ?? PLACEHOLDER)};
const service = ${json(origin)};

const answer = await fetch(service + "/predictions/predict", {
  method: "POST",
  headers: {
    Authorization: "Bearer " + key,
    "Content-Type": "application/json",
    Prefer: "wait=10",
  },
  body: ${isKept ? `JSON.stringify({ model: ${json(model)}, input: ${json(input)} })` : json(body)},
});
if (!answer.ok) throw new Error(await answer.text());
console.log((await answer.json()).output);
`;
}

const WRITERS = { curl, python, javascript };

/** @param {keyof typeof WRITERS} kind @param {Call} call @returns {string} */
export function snippet(kind, call) {
  return WRITERS[kind](call);
}

/**
 * The same call as code that runs as it is. Pure; tested by node.
 * snippet("curl" | "python" | "javascript", {origin, model, input, username, password}) → text. Without a password the
 * code takes it from its environment, and says so where there is none.
 */

/** @typedef {{origin: string, model: string, input: unknown, username: string, password: string | null}} Call */

/** @param {string} text @returns {string} in single quotes for a shell */
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** @param {unknown} value @returns {string} a JSON text that is also a Python or JavaScript literal string's content */
const json = (value) => JSON.stringify(value);

/** @param {Call} call */
function curl({ origin, model, input, username, password }) {
  const secret = password === null ? '"password=$ML_SERVICE_PASSWORD"' : quoted(`password=${password}`);
  const first = password === null ? `: "\${ML_SERVICE_PASSWORD:?set ML_SERVICE_PASSWORD first}"\n\n` : "";
  return `${first}TOKEN=$(curl -s ${origin}/token --data-urlencode ${quoted(`username=${username}`)} \\
  --data-urlencode ${secret} | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')

curl -s ${origin}/predictions/predict \\
  -H "Authorization: Bearer $TOKEN" \\
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
function python({ origin, model, input, username, password }) {
  const secret =
    password === null ? 'os.environ.get("ML_SERVICE_PASSWORD") or sys.exit("set ML_SERVICE_PASSWORD first")' : json(password);
  const imports = password === null ? "import json\nimport os\nimport sys" : "import json";
  return `${imports}
from urllib.parse import urlencode
from urllib.request import Request, urlopen

PASSWORD = ${secret}
SERVICE = ${json(origin)}

form = urlencode({"username": ${json(username)}, "password": PASSWORD}).encode()
token = json.load(urlopen(f"{SERVICE}/token", form))["access_token"]

request = Request(
    f"{SERVICE}/predictions/predict",
    json.dumps({"model": ${json(model)}, "input": ${pythonLiteral(input)}}).encode(),
    {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Prefer": "wait=10"},
)
print(json.load(urlopen(request))["output"])
`;
}

/** @param {Call} call */
function javascript({ origin, model, input, username, password }) {
  const secret = password === null ? "process.env.ML_SERVICE_PASSWORD" : json(password);
  const look = password === null ? '\nif (!password) throw new Error("set ML_SERVICE_PASSWORD first");' : "";
  return `const password = ${secret};${look}
const service = ${json(origin)};

const form = new URLSearchParams({ username: ${json(username)}, password });
const tokens = await (await fetch(service + "/token", { method: "POST", body: form })).json();

const answer = await fetch(service + "/predictions/predict", {
  method: "POST",
  headers: {
    Authorization: "Bearer " + tokens.access_token,
    "Content-Type": "application/json",
    Prefer: "wait=10",
  },
  body: JSON.stringify({ model: ${json(model)}, input: ${json(input)} }),
});
console.log((await answer.json()).output);
`;
}

const WRITERS = { curl, python, javascript };

/** @param {keyof typeof WRITERS} kind @param {Call} call @returns {string} */
export function snippet(kind, call) {
  return WRITERS[kind](call);
}

/**
 * A call with an API key, for a shell.
 * @param {{origin: string, key: string, model: string, input: unknown}} call @returns {string}
 */
export function keySnippet({ origin, key, model, input }) {
  return `curl -s ${origin}/predictions/predict \\
  -H "Authorization: Bearer ${key}" \\
  -H "Content-Type: application/json" \\
  -H "Prefer: wait=10" \\
  -d ${quoted(json({ model, input }))}
`;
}

/**
 * Server-sent events from a fetch (EventSource cannot send an Authorization header).
 * parser(onEvent) → push(text): call with each decoded piece; onEvent({event, data, id}) for each complete event.
 */

/** @typedef {{event: string, data: string, id: string | null}} ServerEvent */

/** @param {(event: ServerEvent) => void} onEvent @returns {(text: string) => void} */
export function parser(onEvent) {
  let rest = "";
  let event = "message";
  /** @type {string[]} */
  let data = [];
  /** @type {string | null} */
  let id = null;

  /** @param {string} line */
  const take = (line) => {
    if (line === "") {
      if (data.length) onEvent({ event, data: data.join("\n"), id });
      event = "message";
      data = [];
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment: the connection is alive
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") event = value;
    else if (field === "data") data.push(value);
    else if (field === "id") id = value;
  };

  return (text) => {
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    lines.forEach(take);
  };
}

/**
 * A bulk job of the service: price(model), send(job, pieces), look(id), recent(limit), unfinished(), cancel(id), results(id).
 * The runner itself waits and retries, so that it can show it.
 */
import { readJson, writeJson } from "../lib/json.js";

/** @typedef {import("./types.js").Api} Api */
/** @typedef {import("./types.js").Job} Job */
/** @typedef {import("./types.js").Piece} Piece */
/** @typedef {import("./types.js").RowAnswer} RowAnswer */
/** @typedef {import("./types.js").Remote} Remote */

/** @param {Api} api */
export function jobsOf(api) {
  return {
    /** What a row costs now. @param {string} model @returns {Promise<number>} */
    price: async (model) => (await api.get(`/models/${encodeURIComponent(model)}`, { retry: false })).price_credits,

    /**
     * All rows in one request, a line each, and nothing around it: a model may have a field called `input`. Repeating it with the same key costs nothing.
     * @param {Job} job @param {AsyncIterable<Piece>} pieces
     * @returns {Promise<Remote>}
     */
    async send(job, pieces) {
      /** @type {string[]} */
      const parts = [];
      for await (const { items } of pieces) parts.push(items.map(({ input }) => `${writeJson(input)}\n`).join(""));
      const body = new Blob(parts, { type: "application/x-ndjson" });
      return api.post(`/bulk?model=${encodeURIComponent(job.model)}`, body, { key: job.key, retry: false });
    },

    /** @param {string} id @returns {Promise<Remote>} */
    look: (id) => api.get(`/bulk/${id}`, { retry: false }),

    /** @param {number} limit @returns {Promise<Remote[]>} newest first */
    recent: async (limit) => (await api.get(`/bulk?limit=${limit}`, { retry: false })).items,

    /** The newest job, where it was begun on a page and has not ended. @returns {Promise<Remote | null>} */
    async unfinished() {
      const [newest] = await this.recent(1);
      return newest && newest.source === "web" && newest.finished_at === null ? newest : null;
    },

    /** @param {string} id @returns {Promise<Remote>} */
    async cancel(id) {
      try {
        return await api.post(`/bulk/${id}/cancel`, undefined, { retry: false });
      } catch (error) {
        if (/** @type {{ code?: string }} */ (error).code !== "already_finished") throw error;
        return api.get(`/bulk/${id}`, { retry: false });
      }
    },

    /**
     * What became of each row, in the order of the rows.
     * @param {string} id
     * @returns {AsyncGenerator<RowAnswer>}
     */
    async *results(id) {
      const response = await api.raw("GET", `/bulk/${id}/results`, undefined, { headers: { Accept: "*/*" } });
      for await (const line of linesOf(response)) {
        const { status, output, error, cost } = readJson(line);
        yield { status: status === "invalid" ? "refused" : status, output, error: error?.message ?? null, charged: cost };
      }
    },
  };
}

/** @param {Response} response @returns {AsyncGenerator<string>} */
async function* linesOf(response) {
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
    const lines = rest.split("\n");
    rest = done ? "" : (lines.pop() ?? "");
    for (const line of lines) if (line !== "") yield line;
    if (done) return;
  }
}

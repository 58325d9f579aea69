/**
 * Errors of the API: ApiError{status, code, detail, errors, requestId, retryAfterS, more}. A request that got no answer
 * has status 0 and code "offline" or, where the browser is online, "unreachable"; an aborted one keeps its AbortError.
 * readAnswer(response) → parsed JSON, or throws ApiError.
 */
import { readJson } from "./lib/json.js";

/** @typedef {{location: string, message: string}} FieldError */

export class ApiError extends Error {
  /**
   * @param {number} status @param {string} code @param {string} detail
   * @param {{errors?: FieldError[], requestId?: string | null, retryAfterS?: number | null,
   *   more?: Record<string, any>}} [rest]
   */
  constructor(status, code, detail, rest = {}) {
    super(detail);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.errors = rest.errors ?? [];
    this.requestId = rest.requestId ?? null;
    this.retryAfterS = rest.retryAfterS ?? null;
    this.more = rest.more ?? {};
  }

  /** Whether the same request may succeed in a moment. */
  get isTransient() {
    return [0, 429, 502, 503, 504].includes(this.status);
  }
}

/** What a proxy in front of the service means, which says it in its own page. @type {Record<number, string>} */
const PROXY_CODES = { 408: "request_timeout", 413: "payload_too_large", 429: "too_many_requests", 502: "unavailable", 503: "unavailable", 504: "unavailable" };

/** What a rejected fetch means. @param {unknown} error @returns {unknown} */
export function unanswered(error) {
  if (error instanceof DOMException && error.name === "AbortError") return error;
  return new ApiError(0, navigator.onLine ? "unreachable" : "offline", String(error));
}

/** @param {Response} response @returns {Promise<any>} */
export async function readAnswer(response) {
  if (response.status === 204) return null;
  const isJson = /\bjson\b/.test(response.headers.get("content-type") ?? "");
  if (response.ok) return isJson ? readJson(await response.text()) : response.text();
  const body = isJson ? await response.json().catch(() => ({})) : {};
  const retryAfter = Number(response.headers.get("retry-after"));
  throw new ApiError(response.status, body.code ?? PROXY_CODES[response.status] ?? `http_${response.status}`, body.detail ?? "", {
    errors: body.errors ?? [],
    requestId: body.request_id ?? response.headers.get("x-request-id"),
    retryAfterS: retryAfter > 0 ? retryAfter : null,
    more: body,
  });
}

/**
 * What this service is: service (signal, GET /service, null until it is known) · models (signal, GET /models, null until
 * known) · start() loads the first · loadModels() the second, shared by all who ask, as often as that takes ·
 * reloadModels() asks once more.
 */
import { signal } from "@preact/signals";
import { api } from "./api.js";

/**
 * @typedef {{name: string, version: string, mode: "demo" | "production", registration: "open" | "closed",
 *   starting_credits: number, default_model: string, telegram_bot: string | null,
 *   limits: {batch_max: number, body_bytes_max: number}}} Service
 * @typedef {{name: string, version: string, description: string, descriptions: Record<string, string>, price_credits: number, is_default: boolean,
 *   is_live: boolean, workers: number, problem: string | null, input_schema: any, output_schema: any, examples: any[],
 *   view?: string | null, state?: string, reason?: string | null,
 *   recent?: {median_ms: number, p95_ms: number, samples: number} | null}} Model
 */

/** @type {import("@preact/signals").Signal<Service | null>} */
export const service = signal(null);
/** @type {import("@preact/signals").Signal<Model[] | null>} */
export const models = signal(null);
/** @type {Promise<void> | null} */
let loading = null;

export async function start() {
  service.value = await api.get("/service", { cache: "default" });
}

/** @param {import("./api.js").Options} [options] */
async function look(options) {
  const found = await api.get("/models", options);
  models.value = found.items;
}

/** For those who come again by themselves, and go on without it. @returns {Promise<void>} */
export function reloadModels() {
  return look({ retry: false });
}

/** @returns {Promise<void>} */
export function loadModels() {
  loading ??= look().catch((error) => {
    loading = null;
    throw error;
  });
  return loading;
}

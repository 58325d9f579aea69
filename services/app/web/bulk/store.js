/**
 * Where a job is kept: indexedStore() in the browser's database, so that a reload finds it; memoryStore() where there is
 * none (a private window), so that the job at least runs to its end.
 */

/** @typedef {import("./types.js").Store} Store */
/** @typedef {import("./types.js").Job} Job */
/** @typedef {import("./types.js").Piece} Piece */

const NAME = "ml-service-bulk";
const VERSION = 2; // 1: jobs in many requests

/** @returns {Promise<Store>} */
export async function openStore() {
  try {
    return indexedStore(await open());
  } catch {
    return memoryStore();
  }
}

/** @returns {Promise<IDBDatabase>} */
function open() {
  const request = indexedDB.open(NAME, VERSION);
  request.onupgradeneeded = () => {
    for (const name of [...request.result.objectStoreNames]) request.result.deleteObjectStore(name);
    request.result.createObjectStore("jobs", { keyPath: "id" });
    request.result.createObjectStore("pieces", { keyPath: ["jobId", "number"] });
  };
  return answered(request);
}

/** @param {IDBDatabase} database @returns {Store} */
function indexedStore(database) {
  /** @param {IDBTransactionMode} mode @param {(jobs: IDBObjectStore, pieces: IDBObjectStore) => void} change */
  const change = (mode, change) => {
    const transaction = database.transaction(["jobs", "pieces"], mode);
    change(transaction.objectStore("jobs"), transaction.objectStore("pieces"));
    return committed(transaction);
  };
  return {
    async loadJob(owner) {
      const jobs = await answered(database.transaction("jobs").objectStore("jobs").getAll());
      return jobs.find((/** @type {Job} */ job) => job.owner === owner) ?? null;
    },
    saveJob: (job) => change("readwrite", (jobs) => jobs.put(job)),
    loadPiece: async (jobId, number) =>
      (await answered(database.transaction("pieces").objectStore("pieces").get([jobId, number]))) ?? null,
    savePieces: (all) => change("readwrite", (_, pieces) => all.forEach((piece) => pieces.put(piece))),
    deleteJob: (jobId) =>
      change("readwrite", (jobs, pieces) => {
        jobs.delete(jobId);
        pieces.delete(IDBKeyRange.bound([jobId, 0], [jobId, Number.MAX_SAFE_INTEGER]));
      }),
  };
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
function answered(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @param {IDBTransaction} transaction @returns {Promise<void>} */
function committed(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onerror = () => reject(transaction.error);
    transaction.onabort = () => reject(transaction.error);
  });
}

/** @returns {Store} */
export function memoryStore() {
  /** @type {Map<string, Job>} */
  const jobs = new Map();
  /** @type {Map<string, Piece>} */
  const pieces = new Map();
  return {
    loadJob: async (owner) => structuredClone([...jobs.values()].find((job) => job.owner === owner) ?? null),
    async saveJob(job) {
      jobs.set(job.id, structuredClone(job));
    },
    loadPiece: async (jobId, number) => structuredClone(pieces.get(`${jobId} ${number}`) ?? null),
    async savePieces(all) {
      for (const piece of all) pieces.set(`${piece.jobId} ${piece.number}`, structuredClone(piece));
    },
    async deleteJob(jobId) {
      jobs.delete(jobId);
      for (const name of pieces.keys()) if (name.startsWith(`${jobId} `)) pieces.delete(name);
    },
  };
}

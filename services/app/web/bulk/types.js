/**
 * The values of "Many at once": a job of the service, and the rows that it was made of, which stay on this device.
 *
 * @typedef {import("./inputs.js").Item} Item
 *
 * @typedef {"running" | "stopped" | "canceling" | "canceled" | "finished"} JobPhase
 * @typedef {JobPhase | "idle" | "waiting"} Phase
 *   waiting: goes on by itself at `problem.retryAt`; stopped: a person must do something first.
 *
 * @typedef {object} Job
 * @property {string} id Of this device.
 * @property {string} owner The user's id: another person on this device does not see it.
 * @property {string} key The Idempotency-Key of its request.
 * @property {string | null} bulkId Of the service, once it has been accepted.
 * @property {number | null} sentAt Of the first attempt of which it is not known that the service refused it.
 * @property {string} model
 * @property {string} name Of the file; empty for pasted lines.
 * @property {string[]} columns Of the table, for the result; empty where the inputs are all there is.
 * @property {string} delimiter Of the result.
 * @property {number} total
 * @property {number} pieces 0: begun elsewhere, or opened again, and its rows are not on this device.
 * @property {number} price Of one row, in credits, as it was shown: at another one it is not sent.
 * @property {number} startedAt
 * @property {JobPhase} phase
 * @property {Counts} counts
 *
 * @typedef {{ succeeded: number, failed: number, canceled: number, refused: number, charged: number }} Counts
 *
 * @typedef {object} Remote What the service says of a job.
 * @property {string} bulk_id
 * @property {"receiving" | "running" | "finished" | "canceled" | "failed"} status
 * @property {string} model
 * @property {string} source
 * @property {number} lines
 * @property {number} lines_invalid
 * @property {number} succeeded
 * @property {number} failed
 * @property {number} canceled
 * @property {number} charged
 * @property {number | null} estimated_s
 * @property {string} created_at
 * @property {string | null} finished_at
 *
 * @typedef {object} RowAnswer
 * @property {string} status As the API names it, or "refused": the input does not fit the model and costs nothing.
 * @property {unknown} output
 * @property {string | null} error
 * @property {number} charged
 *
 * @typedef {object} Piece
 * @property {string} jobId
 * @property {number} number
 * @property {Item[]} items
 *
 * @typedef {{ items: Item[], answers: (RowAnswer | null)[] }} AnsweredRows One answer for each item.
 *
 * @typedef {object} JobProblem
 * @property {string} code
 * @property {string} detail
 * @property {number | null} retryAt
 * @property {number | null} cost
 * @property {number | null} balance
 * @property {number | null} price Of one row, where it has changed.
 * @property {string | null} requestId
 *
 * @typedef {object} JobState
 * @property {Phase} phase
 * @property {Job | null} job
 * @property {number} done Rows that have ended, whichever way.
 * @property {number} perSecond
 * @property {number | null} secondsLeft
 * @property {JobProblem | null} problem
 *
 * @typedef {object} Store
 * @property {(owner: string) => Promise<Job | null>} loadJob The last one.
 * @property {(job: Job) => Promise<void>} saveJob
 * @property {(jobId: string, number: number) => Promise<Piece | null>} loadPiece
 * @property {(pieces: Piece[]) => Promise<void>} savePieces
 * @property {(jobId: string) => Promise<void>} deleteJob
 *
 * @typedef {object} Api
 * @property {(path: string, options?: { retry?: boolean }) => Promise<any>} get
 * @property {(path: string, body?: any, options?: { key?: string, retry?: boolean }) => Promise<any>} post
 * @property {(method: string, path: string, body?: any, options?: any) => Promise<Response>} raw
 *
 * @typedef {object} Order
 * @property {string} owner
 * @property {string} model
 * @property {string} name
 * @property {string[]} columns
 * @property {string} delimiter
 * @property {number} price
 * @property {Item[]} items
 */
export {};

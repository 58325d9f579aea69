-- Bulk jobs: a file's lines are kept in chunks, and become predictions some at a time. docs/decisions/0016-bulk-jobs.md

CREATE TABLE bulk_jobs (
    id uuid PRIMARY KEY,                        -- also the batch_id of its predictions
    user_id uuid NOT NULL REFERENCES users (id),
    source text NOT NULL,
    model text NOT NULL,
    version text NOT NULL,                      -- fixed at the beginning, as the pool and the price of a line
    pool text NOT NULL,
    price_credits bigint NOT NULL,
    status text NOT NULL DEFAULT 'receiving',
    lines int NOT NULL DEFAULT 0,
    lines_invalid int NOT NULL DEFAULT 0,
    waiting int NOT NULL DEFAULT 0,             -- valid lines that are no predictions yet: the job holds their price
    chunks int NOT NULL DEFAULT 0,
    chunks_fed int NOT NULL DEFAULT 0,          -- chunks with a lower number are predictions
    succeeded int NOT NULL DEFAULT 0,           -- of chunks that have ended, and of lines that never became predictions
    failed int NOT NULL DEFAULT 0,
    canceled int NOT NULL DEFAULT 0,
    partial_succeeded int NOT NULL DEFAULT 0,   -- of the chunks that are being worked on, as last counted
    partial_failed int NOT NULL DEFAULT 0,
    error_code text,                            -- why a failed one has failed
    created_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(), -- while it is received: when the last chunk came
    started_at timestamptz,
    finished_at timestamptz,                    -- every line has ended
    CONSTRAINT bulk_jobs_status CHECK (status IN ('receiving', 'running', 'finished', 'canceled', 'failed')),
    CONSTRAINT bulk_jobs_started CHECK ((started_at IS NULL) = (status = 'receiving')),
    CONSTRAINT bulk_jobs_finished CHECK (
        finished_at IS NULL AND status <> 'finished' OR finished_at IS NOT NULL AND status NOT IN ('receiving', 'running')
    ),
    CONSTRAINT bulk_jobs_waiting CHECK (waiting >= 0 AND (waiting = 0 OR status IN ('receiving', 'running'))),
    CONSTRAINT bulk_jobs_lines CHECK (lines_invalid + waiting + succeeded + failed + canceled <= lines),
    CONSTRAINT bulk_jobs_price CHECK (price_credits >= 0)
) WITH (fillfactor = 50);                       -- its counters change all the time: leave room for HOT updates
CREATE INDEX bulk_jobs_of_user ON bulk_jobs (user_id, id);
-- What is under way: the feeder, held credits. The predicate names no column that feeding changes.
CREATE INDEX bulk_jobs_open ON bulk_jobs (user_id, id) WHERE finished_at IS NULL;

-- Some lines of a job: arrays of one length, an element a line.
CREATE TABLE bulk_chunks (
    bulk_id uuid NOT NULL REFERENCES bulk_jobs (id) ON DELETE CASCADE,
    number int NOT NULL,                        -- from 0, in the order of the file
    lines int[] NOT NULL,                       -- their numbers in the file
    valid int NOT NULL,
    refs text[],                                -- the client's own ids; NULL: none has one
    errors text[],                              -- why a line is not valid; NULL: all are
    inputs text[],                              -- JSON; NULL once they are predictions, which have them
    prediction_ids uuid[],                      -- from then on
    first_id uuid,
    last_id uuid,
    is_settled boolean NOT NULL DEFAULT false,  -- all have ended, and are counted in the job
    PRIMARY KEY (bulk_id, number)
);
CREATE INDEX bulk_chunks_open ON bulk_chunks (bulk_id, number) WHERE NOT is_settled;

-- A job's hold, and what it gives back: to its predictions, which hold it then themselves, or to the wallet for good.
-- NOT VALID: what is in the ledger satisfies the narrower constraints that these replace, and is not read again.
ALTER TABLE transactions
    ADD COLUMN bulk_id uuid,                    -- no foreign key: jobs are deleted when their retention ends
    DROP CONSTRAINT transactions_amount,
    ADD CONSTRAINT transactions_amount CHECK (
        amount > 0 OR (amount = 0 AND (prediction_id IS NOT NULL OR bulk_id IS NOT NULL))
        OR (amount <> 0 AND kind IN ('transfer', 'adjustment'))
    ) NOT VALID,
    DROP CONSTRAINT transactions_prediction,
    ADD CONSTRAINT transactions_subject CHECK (
        num_nonnulls(prediction_id, bulk_id) = (CASE WHEN kind IN ('hold', 'capture', 'release') THEN 1 ELSE 0 END)
        AND (bulk_id IS NULL OR kind IN ('hold', 'release'))
    ) NOT VALID;

GRANT SELECT, INSERT, UPDATE, DELETE ON bulk_jobs, bulk_chunks TO ml_service_app, ml_service_bot;

-- Users, and the sessions that their tokens belong to.

CREATE TABLE users (
    id uuid PRIMARY KEY,
    username text NOT NULL,
    username_key text NOT NULL UNIQUE,          -- normalised and without case: what makes two names the same
    password_hash text,                         -- NULL: cannot sign in by password
    is_admin boolean NOT NULL DEFAULT false,
    is_demo boolean NOT NULL DEFAULT false,
    balance bigint NOT NULL DEFAULT 0,          -- the cached sum of the wallet's transactions
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_balance_not_negative CHECK (balance >= 0),
    CONSTRAINT users_demo_is_no_admin CHECK (NOT (is_demo AND is_admin))
) WITH (fillfactor = 70);                       -- balances change all the time: leave room for HOT updates

CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id),
    refresh_hash bytea NOT NULL,                -- SHA-256 of the one refresh token that is valid now
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX sessions_of_user ON sessions (user_id) WHERE revoked_at IS NULL;
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE rate_limits (
    key text PRIMARY KEY,
    count int NOT NULL,
    window_ends_at timestamptz NOT NULL
) WITH (fillfactor = 70);

-- Workers, and the models that they announce.

CREATE TABLE workers (
    id text PRIMARY KEY,
    number int NOT NULL UNIQUE,                 -- the key of the session advisory lock (779, number) it holds while it lives
    host text NOT NULL,
    pid int NOT NULL,
    pools text[] NOT NULL,
    models text[] NOT NULL,                     -- the names that are loaded and answer
    state text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    heartbeat_at timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz NOT NULL,
    stopped_at timestamptz,
    CONSTRAINT workers_state CHECK (state IN ('starting', 'ready', 'stopping', 'stopped'))
) WITH (fillfactor = 50);
CREATE SEQUENCE worker_numbers AS int;

CREATE TABLE models (
    name text PRIMARY KEY,
    version text NOT NULL,
    spec json NOT NULL,
    price_credits bigint NOT NULL,              -- the model's own price: where it starts
    price_credits_set bigint,                   -- an admin's price, which wins
    announced_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT models_price_not_negative CHECK (price_credits >= 0 AND coalesce(price_credits_set, 0) >= 0)
);

-- Whether a worker can no longer finish what it claimed: it said goodbye, its lease on the database's clock ran out,
-- or the session that holds its advisory lock is gone. STABLE and dear: asked last, and rarely.
CREATE FUNCTION worker_is_gone(worker text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE COST 1000 AS $$
    SELECT NOT EXISTS (
        SELECT FROM workers AS w
        JOIN pg_locks AS l
            ON l.locktype = 'advisory' AND l.classid = 779 AND l.objid = w.number::oid AND l.objsubid = 2 AND l.granted
            AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
        WHERE w.id = worker AND w.stopped_at IS NULL AND w.lease_until > now()
    )
$$;

-- Predictions: a request and its answer. docs/state_machine.md draws the states.

CREATE TABLE predictions (
    id uuid PRIMARY KEY,                        -- UUIDv7, made by the process that accepts the request
    user_id uuid NOT NULL REFERENCES users (id),
    model text NOT NULL,
    version text,
    status text NOT NULL DEFAULT 'queued',
    source text NOT NULL,
    cost bigint NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    batch_id uuid,
    worker_id text,
    predict_ms real,
    created_at timestamptz NOT NULL DEFAULT now(),
    deadline_at timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    error_code text,
    error_message text,
    input json NOT NULL,
    output json,
    CONSTRAINT predictions_status CHECK (
        status IN ('queued', 'processing', 'succeeded', 'failed', 'canceled', 'expired')
    ),
    CONSTRAINT predictions_finished CHECK ((finished_at IS NULL) = (status IN ('queued', 'processing'))),
    CONSTRAINT predictions_output CHECK ((output IS NOT NULL) = (status = 'succeeded')),
    CONSTRAINT predictions_error CHECK ((error_code IS NOT NULL) = (status IN ('failed', 'canceled', 'expired'))),
    CONSTRAINT predictions_processing CHECK (status <> 'processing' OR (worker_id IS NOT NULL AND attempts > 0)),
    CONSTRAINT predictions_cost CHECK (cost >= 0)
) WITH (
    fillfactor = 80,                            -- a claim changes no indexed column: room for that version (HOT)
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_analyze_scale_factor = 0.02
);
-- A user's history, newest first.
CREATE INDEX predictions_of_user ON predictions (user_id, id);
-- What is open: limits, held credits, the sweep. The predicate names no column that a claim changes.
CREATE INDEX predictions_open ON predictions (user_id, batch_id, id) INCLUDE (cost) WHERE finished_at IS NULL;
CREATE INDEX predictions_deadline ON predictions (deadline_at) WHERE finished_at IS NULL AND deadline_at IS NOT NULL;
CREATE INDEX predictions_of_batch ON predictions (batch_id) WHERE batch_id IS NOT NULL;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is final', TG_OP, TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END
$$;

-- AFTER, for a BEFORE trigger would lock, and write a log record of the lock for, each row that anybody updates.
CREATE TRIGGER predictions_terminal_never_changes AFTER UPDATE ON predictions
    FOR EACH ROW WHEN (OLD.finished_at IS NOT NULL) EXECUTE FUNCTION refuse_change();

-- Requests that may be repeated: inserted first, and the rest hangs on it. Only accepted requests stay.
CREATE TABLE idempotency_keys (
    user_id uuid NOT NULL REFERENCES users (id),
    key text NOT NULL,
    fingerprint bytea NOT NULL,                 -- SHA-256 of the request: the same key with another body is refused
    prediction_id uuid NOT NULL,                -- of a batch: its first
    batch_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

-- What is still to be handed to the queue: written with the prediction, deleted after the broker's confirm.
CREATE TABLE outbox (
    prediction_id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    pool text NOT NULL,
    model text NOT NULL,
    bulk boolean NOT NULL,                      -- fed by maintenance, in turns over the users, instead of sent at once
    send_after timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
CREATE INDEX outbox_bulk ON outbox (pool, user_id, prediction_id) WHERE bulk;

-- The ledger. Append-only: no service's role may change it, and the triggers stop its owner too.
CREATE TABLE transactions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id uuid NOT NULL,                      -- no foreign key: copied from a row that has one; checking it again would cost a lock per movement
    kind text NOT NULL,
    amount bigint NOT NULL,
    prediction_id uuid,                         -- no foreign key: predictions are deleted when their retention ends, the ledger never
    reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT transactions_kind CHECK (
        kind IN ('grant', 'top_up', 'hold', 'capture', 'release', 'transfer', 'adjustment')
    ),
    -- A prediction of a free model moves 0 credits, and its rows say so.
    CONSTRAINT transactions_amount CHECK (
        amount > 0 OR (amount = 0 AND prediction_id IS NOT NULL) OR (amount <> 0 AND kind IN ('transfer', 'adjustment'))
    ),
    CONSTRAINT transactions_prediction CHECK ((prediction_id IS NOT NULL) = (kind IN ('hold', 'capture', 'release')))
);
CREATE INDEX transactions_of_user ON transactions (user_id, id);
-- At most one hold, and at most one capture or release, for each prediction.
CREATE UNIQUE INDEX transactions_of_prediction ON transactions (prediction_id, (kind = 'hold')) WHERE prediction_id IS NOT NULL;

CREATE TRIGGER transactions_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON transactions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The queue of the postgres backend (ml_service/messaging/postgres).

CREATE TABLE queue_messages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue text NOT NULL,
    body text NOT NULL,
    reason text,                                -- why it is among the dead letters
    enqueued_at timestamptz NOT NULL DEFAULT now(),
    visible_at timestamptz NOT NULL DEFAULT now(),
    deliveries int NOT NULL DEFAULT 0,
    consumer int,
    leased_until timestamptz
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
CREATE INDEX queue_messages_ready ON queue_messages (queue, id) WHERE consumer IS NULL;
CREATE INDEX queue_messages_leased ON queue_messages (consumer) WHERE consumer IS NOT NULL;
CREATE SEQUENCE consumer_numbers AS int;        -- the number is the key of the session advisory lock (778, number)

-- Roles: each service may do what it must, and nothing more.

DO $$
DECLARE role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['ml_service_app', 'ml_service_worker'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I LOGIN', role);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;  -- roles belong to the whole server; another database of ours has made it
        END;
    END LOOP;
END
$$;

GRANT USAGE ON SCHEMA public TO ml_service_app, ml_service_worker;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ml_service_app, ml_service_worker;

GRANT SELECT, INSERT, UPDATE ON users, sessions, models, idempotency_keys, predictions TO ml_service_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON rate_limits, outbox, queue_messages TO ml_service_app;
GRANT SELECT, INSERT ON transactions TO ml_service_app;
GRANT SELECT, UPDATE ON workers TO ml_service_app;
GRANT DELETE ON sessions, idempotency_keys, workers TO ml_service_app;

GRANT SELECT (id, balance), UPDATE (balance) ON users TO ml_service_worker;
GRANT SELECT, UPDATE ON predictions TO ml_service_worker;
GRANT SELECT, INSERT ON transactions TO ml_service_worker;
GRANT SELECT, INSERT, UPDATE ON workers, models TO ml_service_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON queue_messages TO ml_service_worker;

-- API keys: they act for a user within scopes, and may hold and pay credits up to a cap.
CREATE TABLE api_keys (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id),
    name text NOT NULL,
    prefix text NOT NULL,                       -- the beginning of the newest token, to tell keys apart
    scopes text[] NOT NULL,
    models text[],                              -- NULL: all
    cap_credits bigint,                         -- NULL: only the balance bounds it
    cap_per text,
    rate_limit_per_minute int,
    -- What was held and not given back: in all, and in the month and on the day (UTC) of the last hold, spent_on.
    spent_total bigint NOT NULL DEFAULT 0,
    spent_month bigint NOT NULL DEFAULT 0,
    spent_day bigint NOT NULL DEFAULT 0,
    spent_on date NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')::date,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    last_used_at timestamptz,                   -- to the minute or so
    revoked_at timestamptz,
    CONSTRAINT api_keys_scopes CHECK (
        cardinality(scopes) > 0 AND scopes <@ ARRAY['predict', 'read', 'bulk', 'webhooks']
    ),
    CONSTRAINT api_keys_cap CHECK (
        (cap_credits IS NULL) = (cap_per IS NULL) AND cap_credits >= 0 AND cap_per IN ('day', 'month', 'total')
    ),
    CONSTRAINT api_keys_rate_limit CHECK (rate_limit_per_minute > 0),
    CONSTRAINT api_keys_spent CHECK (spent_day >= 0 AND spent_month >= spent_day AND spent_total >= spent_month)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
CREATE INDEX api_keys_of_user ON api_keys (user_id, id);

-- The tokens of a key: the newest, and those that a rotation has left some time. Only hashes: a token is shown once.
CREATE TABLE api_key_tokens (
    token_hash bytea PRIMARY KEY,               -- SHA-256 of 190 random bits
    key_id uuid NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    valid_until timestamptz                     -- NULL: the newest
);
CREATE INDEX api_key_tokens_of_key ON api_key_tokens (key_id);
CREATE UNIQUE INDEX api_key_tokens_newest ON api_key_tokens (key_id) WHERE valid_until IS NULL;

-- The key that a prediction was asked for with. No foreign key: it would cost a lock for each prediction.
ALTER TABLE predictions ADD COLUMN key_id uuid;

-- What a prediction held by the key that it was asked for with.
CREATE TYPE held_by_key AS (key_id uuid, held_at timestamptz, amount bigint);

-- Gives credits back to the windows in which they were held. A function, as it costs the statements that end predictions
-- next to nothing where there are no keys, and so that workers and the bot need no right to read or change keys.
-- Call it when the users' rows are locked: keys come after them, in the order of their ids.
CREATE FUNCTION give_back_to_keys(by_keys held_by_key[]) RETURNS void
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT h.key_id, (h.held_at AT TIME ZONE 'UTC')::date AS day, sum(h.amount)::bigint AS amount
        FROM unnest(by_keys) AS h GROUP BY 1, 2 ORDER BY 1, 2
    LOOP
        UPDATE api_keys AS k SET
            spent_total = k.spent_total - one.amount,
            spent_month = k.spent_month
                - CASE WHEN one.day >= date_trunc('month', k.spent_on::timestamp) THEN one.amount ELSE 0 END,
            spent_day = k.spent_day - CASE WHEN one.day = k.spent_on THEN one.amount ELSE 0 END
        WHERE k.id = one.key_id;
    END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION give_back_to_keys(held_by_key[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION give_back_to_keys(held_by_key[]) TO ml_service_app, ml_service_worker, ml_service_bot;

GRANT SELECT, INSERT, UPDATE, DELETE ON api_keys, api_key_tokens TO ml_service_app;

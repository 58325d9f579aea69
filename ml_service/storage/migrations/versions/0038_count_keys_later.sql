-- What a key without a cap holds is counted later, from the ledger, in pieces: to count it in the statement that holds it
-- takes 7 % of all submissions. What a key with a cap holds is counted there, as before.
ALTER TABLE api_keys
    ADD COLUMN counted_to bigint,  -- holds with larger ids are to be counted; NULL: all are, as they are made
    DROP CONSTRAINT api_keys_spent,
    -- What is given back may come before what was held is counted.
    ADD CONSTRAINT api_keys_spent CHECK (
        counted_to IS NOT NULL OR (spent_day >= 0 AND spent_month >= spent_day AND spent_total >= spent_month)
    );

-- Counts what a key held on a day, or, below zero, what was given back of it. A later day begins new windows; an earlier
-- one counts in its own only. `_SPENT` in storage/submissions.py says the same.
CREATE FUNCTION count_spent(key uuid, held_on date, amount bigint) RETURNS void
LANGUAGE sql SET search_path = public, pg_temp AS $$
    UPDATE api_keys AS k SET
        spent_total = k.spent_total + amount,
        spent_month = CASE
            WHEN k.spent_on < date_trunc('month', held_on::timestamp) THEN amount
            WHEN held_on < date_trunc('month', k.spent_on::timestamp) THEN k.spent_month
            ELSE k.spent_month + amount
        END,
        spent_day = CASE
            WHEN k.spent_on < held_on THEN amount
            WHEN held_on < k.spent_on THEN k.spent_day
            ELSE k.spent_day + amount
        END,
        spent_on = greatest(k.spent_on, held_on)
    WHERE k.id = key
$$;

-- Counts what a user's keys have held since they were counted, of the next `rows_max` rows of the user's ledger at most
-- (NULL: of all). Returns whether there are more. Holds are made under the lock of the user's row, so that under it
-- all with smaller ids are to be seen.
CREATE FUNCTION count_keys(owner uuid, rows_max int) RETURNS boolean
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    held record;
    counted bigint;
    last bigint;
    has_more boolean;
BEGIN
    PERFORM FROM users WHERE id = owner FOR NO KEY UPDATE;
    SELECT min(counted_to) INTO counted FROM api_keys WHERE user_id = owner;
    SELECT id INTO last FROM transactions WHERE user_id = owner AND id > counted ORDER BY id OFFSET rows_max - 1 LIMIT 1;
    has_more := rows_max IS NOT NULL AND last IS NOT NULL;
    IF NOT has_more THEN
        SELECT coalesce(max(id), 0) INTO last FROM transactions WHERE user_id = owner;
    END IF;
    FOR held IN
        SELECT k.id AS key_id, (t.created_at AT TIME ZONE 'UTC')::date AS day, sum(t.amount)::bigint AS amount
        FROM transactions AS t JOIN api_keys AS k ON k.id::text = t.actor_id
        WHERE t.user_id = owner AND t.id > counted AND t.id <= last AND t.kind = 'hold' AND t.actor_kind = 'key'
            AND k.user_id = owner AND t.id > k.counted_to
        GROUP BY 1, 2 ORDER BY 1, 2
    LOOP
        PERFORM count_spent(held.key_id, held.day, held.amount);
    END LOOP;
    UPDATE api_keys SET counted_to = greatest(counted_to, last) WHERE user_id = owner AND counted_to < last;
    RETURN has_more;
END
$$;

CREATE OR REPLACE FUNCTION give_back_to_keys(by_keys held_by_key[]) RETURNS void
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT h.key_id, (h.held_at AT TIME ZONE 'UTC')::date AS day, sum(h.amount)::bigint AS amount
        FROM unnest(by_keys) AS h GROUP BY 1, 2 ORDER BY 1, 2
    LOOP
        PERFORM count_spent(one.key_id, one.day, -one.amount);
    END LOOP;
END
$$;

-- From its cap on, a key is counted as it holds: all before must be counted first. Without one it is counted later again.
CREATE OR REPLACE FUNCTION note_changed_keys(owner uuid) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    version bigint;
BEGIN
    UPDATE users SET keys_version = keys_version + 1 WHERE id = owner RETURNING keys_version INTO version;
    UPDATE api_key_tokens AS t SET
        keys_version = version,
        simple_until = CASE
            WHEN k.revoked_at IS NULL AND k.cap_credits IS NULL AND k.models IS NULL AND 'predict' = ANY (k.scopes)
            THEN least(k.expires_at, t.valid_until, 'infinity')
        END
    FROM api_keys AS k WHERE k.id = t.key_id AND k.user_id = owner;
    PERFORM count_keys(owner, NULL);
    UPDATE api_keys AS k SET counted_to = c.counted_to
    FROM (
        SELECT id, CASE WHEN cap_credits IS NULL AND revoked_at IS NULL THEN coalesce(
            (SELECT max(t.id) FROM transactions AS t WHERE t.user_id = owner), 0
        ) END AS counted_to
        FROM api_keys WHERE user_id = owner
    ) AS c
    WHERE k.id = c.id AND k.counted_to IS DISTINCT FROM c.counted_to;
END
$$;

SELECT note_changed_keys(user_id) FROM (SELECT DISTINCT user_id FROM api_keys) AS owner;

-- The settlement of a prediction: capture + release = hold, each at most once. An index over both would forbid that a
-- metered model captures a part and releases the rest; that they sum to the hold is for the audit to hold.
CREATE UNIQUE INDEX transactions_of_prediction_and_kind ON transactions (prediction_id, kind)
    WHERE prediction_id IS NOT NULL;
DROP INDEX transactions_of_prediction;
ALTER INDEX transactions_of_prediction_and_kind RENAME TO transactions_of_prediction;

-- Who moved credits. The default is a constant that no row is rewritten for; rows from now on say it themselves.
ALTER TABLE transactions
    ADD COLUMN actor_kind text NOT NULL DEFAULT 'system',
    ADD COLUMN actor_id text NOT NULL DEFAULT 'before-actors-were-recorded',
    ADD COLUMN idempotency_key text,            -- repeating a refund or a chargeback with it moves nothing again
    ADD CONSTRAINT transactions_actor CHECK (actor_kind IN ('user', 'key', 'admin', 'system', 'payment')),
    DROP CONSTRAINT transactions_kind,
    ADD CONSTRAINT transactions_kind CHECK (
        kind IN ('grant', 'top_up', 'hold', 'capture', 'release', 'transfer', 'adjustment', 'refund', 'chargeback')
    );
ALTER TABLE transactions ALTER COLUMN actor_kind DROP DEFAULT, ALTER COLUMN actor_id DROP DEFAULT;
CREATE UNIQUE INDEX transactions_of_key ON transactions (actor_kind, actor_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;

-- Grants are spent first; what is left of them does not move to another account. Kept with the balance, in the same
-- updates, because the ledger of a user can be long and the bot asks at each message of a joined chat.
ALTER TABLE users ADD COLUMN grants_left bigint NOT NULL DEFAULT 0;
UPDATE users SET grants_left = t.grants_left
FROM (
    SELECT user_id,
        sum(CASE kind WHEN 'hold' THEN -amount WHEN 'grant' THEN amount WHEN 'release' THEN amount ELSE 0 END)
            AS grants_left
    FROM transactions GROUP BY user_id
) AS t
WHERE users.id = t.user_id AND t.grants_left <> 0;

GRANT SELECT (grants_left), UPDATE (grants_left) ON users TO ml_service_worker, ml_service_bot;

-- Credits that moved when a chat was connected (once: joined) had its number in their reason, on both accounts, where it
-- stayed when they were deleted. The movement stays as it is; this is the one time that rows of the ledger change.
DO $$
DECLARE
    -- By transactions_of_user_and_kind, a probe for each user: the ledger is not read from end to end, and nobody waits.
    named bigint[] := ARRAY(
        SELECT unnest(ARRAY(
            SELECT t.id FROM transactions AS t
            WHERE t.user_id = u.id AND t.kind = 'transfer' AND t.reason ~ 'Telegram chat -?[0-9]+$'
        )) FROM users AS u
    );
BEGIN
    IF cardinality(named) = 0 THEN
        RETURN;
    END IF;
    -- The service may be running: its movements wait for a moment, and never behind this while it waits itself.
    SET LOCAL lock_timeout = '200ms';
    LOOP
        BEGIN
            ALTER TABLE transactions DISABLE TRIGGER transactions_never_change;
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            PERFORM pg_sleep(0.2);
        END;
    END LOOP;
    SET LOCAL lock_timeout = 0;
    UPDATE transactions SET reason = 'connected to Telegram' WHERE id = ANY (named);
    ALTER TABLE transactions ENABLE TRIGGER transactions_never_change;
END
$$;

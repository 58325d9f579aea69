-- There are two ways to delete an account, a user's and a chat's: both take all that lets somebody use it. The user's row
-- comes first: a sign-in or a new key waits for it, and is refused.
CREATE FUNCTION close_account(closed uuid) RETURNS void LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    unnamed text := 'deleted-' || replace(closed::text, '-', '');
BEGIN
    UPDATE users SET username = unnamed, username_key = unnamed, password_hash = NULL, is_admin = false,
        staff_role = NULL, language = NULL, notify = '{}', has_webhooks = false
    WHERE id = closed;
    DELETE FROM sessions WHERE user_id = closed;
    DELETE FROM telegram_link_codes WHERE user_id = closed;
    DELETE FROM idempotency_keys WHERE user_id = closed;
    DELETE FROM webhooks WHERE user_id = closed;
    DELETE FROM webhook_secrets WHERE user_id = closed;
    DELETE FROM request_webhooks WHERE user_id = closed;
    DELETE FROM api_keys WHERE user_id = closed;
    INSERT INTO accounts_to_erase (user_id) VALUES (closed) ON CONFLICT DO NOTHING;
    PERFORM leave_chats(closed);
END
$$;

-- Chats that are connected to the account get their own one back; what it owes them is not sent.
CREATE FUNCTION leave_chats(closed uuid) RETURNS void LANGUAGE sql SET search_path = public, pg_temp AS $$
    DELETE FROM deliveries WHERE id IN (
        SELECT d.id FROM telegram_chats AS c JOIN deliveries AS d ON d.chat_id = c.chat_id
        WHERE c.user_id = closed AND d.user_id = closed
    );
    UPDATE telegram_chats SET user_id = own_user_id WHERE user_id = closed AND own_user_id <> closed;
$$;

CREATE OR REPLACE FUNCTION close_account_of_chat(chat bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    closed uuid;
BEGIN
    SELECT own_user_id INTO STRICT closed FROM telegram_chats WHERE chat_id = chat FOR UPDATE;
    PERFORM close_account(closed);
    DELETE FROM deliveries WHERE chat_id = chat;
END
$$;
REVOKE EXECUTE ON FUNCTION close_account(uuid), leave_chats(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION close_account(uuid), leave_chats(uuid) TO ml_service_app;

-- What accounts of chats have kept until now; what they were used for since is erased with the next look.
SELECT close_account(u.id) FROM users AS u
WHERE u.username_key = 'deleted-' || replace(u.id::text, '-', '') AND (
    u.password_hash IS NOT NULL
    OR EXISTS (SELECT FROM sessions AS s WHERE s.user_id = u.id)
    OR EXISTS (SELECT FROM api_keys AS k WHERE k.user_id = u.id)
    OR EXISTS (SELECT FROM webhooks AS w WHERE w.user_id = u.id)
    OR EXISTS (SELECT FROM webhook_secrets AS w WHERE w.user_id = u.id)
    OR EXISTS (SELECT FROM request_webhooks AS w WHERE w.user_id = u.id)
);

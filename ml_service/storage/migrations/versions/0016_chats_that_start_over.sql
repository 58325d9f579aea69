-- Closes the account that was made for a chat, as the app closes one that a user deletes (storage/deleted_accounts.py).
-- A function, so that the bot needs no right to change names and admins.
CREATE FUNCTION close_account_of_chat(chat bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    closed uuid;
    unnamed text;
BEGIN
    SELECT own_user_id INTO STRICT closed FROM telegram_chats WHERE chat_id = chat FOR UPDATE;
    unnamed := 'deleted-' || replace(closed::text, '-', '');
    UPDATE users SET username = unnamed, username_key = unnamed, is_admin = false, language = NULL, notify = '{}'
    WHERE id = closed;
    DELETE FROM telegram_link_codes WHERE user_id = closed;
    DELETE FROM idempotency_keys WHERE user_id = closed;
    DELETE FROM deliveries WHERE chat_id = chat;
    INSERT INTO accounts_to_erase (user_id) VALUES (closed);
END
$$;
REVOKE EXECUTE ON FUNCTION close_account_of_chat(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION close_account_of_chat(bigint) TO ml_service_bot;

-- What people who run the service may do. An admin has is_admin, as before, so that replicas of the version before this
-- one go on; viewer and support are new to everybody, and mean nothing to those replicas.
ALTER TABLE users
    ADD COLUMN staff_role text,
    ADD CONSTRAINT users_staff_role CHECK (staff_role IN ('viewer', 'support')),
    ADD CONSTRAINT users_one_role CHECK (NOT (is_admin AND staff_role IS NOT NULL)),
    ADD CONSTRAINT users_demo_has_no_role CHECK (NOT (is_demo AND staff_role IS NOT NULL));
GRANT SELECT (staff_role) ON users TO ml_service_bot;
CREATE INDEX users_admins ON users (id) WHERE is_admin;
-- What somebody has done lately: the credits that support has given in a day.
CREATE INDEX admin_actions_of_actor ON admin_actions (actor_id, at);

-- The last admin who can sign in stays one, whichever statement would change that: an update of these columns, and no
-- other, pays for the check. The lock lets two admins who remove each other do so one after the other; the second one's
-- query then sees what the first one did.
CREATE FUNCTION keep_an_admin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(786);
    IF NOT EXISTS (SELECT FROM users WHERE is_admin AND NOT is_blocked) THEN
        RAISE EXCEPTION 'the last admin stays an admin' USING ERRCODE = 'check_violation', CONSTRAINT = 'users_last_admin';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER users_keep_an_admin AFTER UPDATE OF is_admin, is_blocked ON users
    FOR EACH ROW WHEN (OLD.is_admin AND NOT OLD.is_blocked AND (NEW.is_blocked OR NOT NEW.is_admin))
    EXECUTE FUNCTION keep_an_admin();

CREATE OR REPLACE FUNCTION close_account_of_chat(chat bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    closed uuid;
    unnamed text;
BEGIN
    SELECT own_user_id INTO STRICT closed FROM telegram_chats WHERE chat_id = chat FOR UPDATE;
    unnamed := 'deleted-' || replace(closed::text, '-', '');
    UPDATE users SET username = unnamed, username_key = unnamed, is_admin = false, staff_role = NULL, language = NULL,
        notify = '{}'
    WHERE id = closed;
    DELETE FROM telegram_link_codes WHERE user_id = closed;
    DELETE FROM idempotency_keys WHERE user_id = closed;
    DELETE FROM deliveries WHERE chat_id = chat;
    INSERT INTO accounts_to_erase (user_id) VALUES (closed);
END
$$;

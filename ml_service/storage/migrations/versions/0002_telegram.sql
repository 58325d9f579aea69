-- Private chats. A chat is a person: its id is the person's id in Telegram.

CREATE TABLE telegram_chats (
    chat_id bigint PRIMARY KEY,
    own_user_id uuid NOT NULL UNIQUE REFERENCES users (id),  -- the account made at the first message
    user_id uuid NOT NULL REFERENCES users (id),             -- who pays: the same, or an account of the API joined by /link
    language text NOT NULL,
    model text,                                 -- the model chosen by /models; NULL: the default one
    dialog json,                                -- a half-finished question; NULL: none
    created_at timestamptz NOT NULL DEFAULT now(),
    blocked_at timestamptz,                     -- Telegram said that the person has blocked the bot
    stopped_at timestamptz                      -- /stop: nothing is sent until the person writes again
) WITH (fillfactor = 70);
CREATE INDEX telegram_chats_of_user ON telegram_chats (user_id);

-- What Telegram delivered: kept before it is confirmed, so that a crash loses nothing and a twin changes nothing.
CREATE TABLE telegram_updates (
    bot_id bigint NOT NULL,
    update_id bigint NOT NULL,
    chat_id bigint NOT NULL,
    body json,                                  -- NULL once it is handled: nobody needs the person's words here any more
    attempts int NOT NULL DEFAULT 0,
    received_at timestamptz NOT NULL DEFAULT now(),
    run_at timestamptz NOT NULL DEFAULT now(),  -- not before: Telegram or the database was away
    leased_until timestamptz,                   -- a bot process is handling it
    handled_at timestamptz,
    error text,                                 -- why it was given up
    PRIMARY KEY (bot_id, update_id),
    CONSTRAINT telegram_updates_body CHECK (body IS NOT NULL OR handled_at IS NOT NULL)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
CREATE INDEX telegram_updates_waiting ON telegram_updates (chat_id, update_id) WHERE handled_at IS NULL;
CREATE INDEX telegram_updates_age ON telegram_updates (handled_at) WHERE handled_at IS NOT NULL;

-- Answers that are owed to a chat: one for a single prediction, one for a whole batch.
CREATE TABLE telegram_notifications (
    id uuid PRIMARY KEY,                        -- the prediction's or the batch's
    is_batch boolean NOT NULL,
    chat_id bigint NOT NULL REFERENCES telegram_chats (chat_id),
    request_message_id bigint,                  -- what the person wrote
    message_id bigint,                          -- the bot's "accepted", which turns into the answer
    file_sent_at timestamptz,                   -- of a batch: the result file is there, the summary not yet
    attempts int NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    run_at timestamptz NOT NULL DEFAULT now(),
    leased_until timestamptz,
    notified_at timestamptz,
    error text
) WITH (fillfactor = 70);
CREATE INDEX telegram_notifications_owed ON telegram_notifications (chat_id, id) WHERE notified_at IS NULL;
CREATE INDEX telegram_notifications_age ON telegram_notifications (created_at);

-- One-time codes that join a chat with an account of the API. Only the hash is kept.
CREATE TABLE telegram_link_codes (
    code_hash bytea PRIMARY KEY,                -- SHA-256
    user_id uuid NOT NULL REFERENCES users (id),
    expires_at timestamptz NOT NULL,
    used_by bigint,                             -- the chat
    CONSTRAINT telegram_link_codes_short_lived CHECK (expires_at <= now() + interval '10 minutes 1 second')
);
CREATE INDEX telegram_link_codes_of_user ON telegram_link_codes (user_id);

-- The bot as Telegram knows it: the app makes deep links with its name.
CREATE TABLE telegram_bots (
    bot_id bigint PRIMARY KEY,
    username text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now()
);

-- What admins were told and must hear the end of.
CREATE TABLE telegram_alerts (
    name text PRIMARY KEY,
    raised_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz
);

-- The bot's role: what the app may do for a user, but no password, no session, no admin.
DO $$
BEGIN
    CREATE ROLE ml_service_bot LOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- roles belong to the whole server
END
$$;

GRANT USAGE ON SCHEMA public TO ml_service_bot;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ml_service_bot;

GRANT SELECT (id, username, username_key, is_admin, is_demo, balance, created_at) ON users TO ml_service_bot;
GRANT INSERT (id, username, username_key), UPDATE (balance) ON users TO ml_service_bot;
GRANT SELECT, INSERT ON idempotency_keys, transactions TO ml_service_bot;
GRANT SELECT, INSERT, UPDATE ON predictions TO ml_service_bot;
GRANT SELECT, INSERT, DELETE ON outbox TO ml_service_bot;
GRANT SELECT ON models, workers TO ml_service_bot;
GRANT SELECT, INSERT, UPDATE, DELETE ON rate_limits, queue_messages TO ml_service_bot;
GRANT SELECT, INSERT, UPDATE, DELETE ON telegram_chats, telegram_updates, telegram_notifications, telegram_bots,
    telegram_alerts TO ml_service_bot;
GRANT SELECT, UPDATE, DELETE ON telegram_link_codes TO ml_service_bot;

GRANT SELECT ON telegram_bots TO ml_service_app;
GRANT SELECT, INSERT, DELETE ON telegram_link_codes TO ml_service_app;

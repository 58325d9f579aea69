-- Messages owed: written when a request is accepted, due when what they are about has ended.
CREATE TABLE deliveries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,                         -- who receives it
    subject_id uuid NOT NULL,                   -- the prediction or the batch; no foreign key: retention deletes those
    user_id uuid NOT NULL REFERENCES users (id),
    is_batch boolean NOT NULL,
    chat_id bigint REFERENCES telegram_chats (chat_id),
    is_from_chat boolean NOT NULL,              -- asked for in this chat; false: by the API
    thread_id bigint,                           -- the topic of the chat, where it has topics
    request_message_id bigint,                  -- what the person wrote
    message_id bigint,                          -- the bot's "accepted", which turns into the answer
    file_sent_at timestamptz,                   -- the file of answers is there, the summary not yet
    attempts int NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL DEFAULT now(),  -- not before: the receiver was away, or asked to wait
    leased_until timestamptz,                   -- a process is sending it
    delivered_at timestamptz,
    error text,                                 -- why the last attempt failed, or it was given up
    CONSTRAINT deliveries_kind CHECK (kind = 'chat' AND chat_id IS NOT NULL),
    CONSTRAINT deliveries_of_chat UNIQUE (chat_id, subject_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);

INSERT INTO deliveries (
    kind, subject_id, user_id, is_batch, chat_id, is_from_chat, request_message_id, message_id, file_sent_at, attempts,
    created_at, due_at, leased_until, delivered_at, error
)
SELECT 'chat', n.id,
    coalesce(
        (SELECT p.user_id FROM predictions AS p WHERE p.id = n.id),
        (SELECT p.user_id FROM predictions AS p WHERE p.batch_id = n.id LIMIT 1),
        c.user_id
    ),
    n.is_batch, n.chat_id, true, n.request_message_id, n.message_id, n.file_sent_at, n.attempts, n.created_at, n.run_at,
    n.leased_until, n.notified_at, n.error
FROM telegram_notifications AS n JOIN telegram_chats AS c ON c.chat_id = n.chat_id
ORDER BY n.id;
DROP TABLE telegram_notifications;

CREATE INDEX deliveries_open ON deliveries (chat_id, id) WHERE delivered_at IS NULL;
CREATE INDEX deliveries_age ON deliveries (created_at);

-- Telegram may begin its update ids again, lower: an id alone does not say whether it is the same update.
ALTER TABLE telegram_updates ADD COLUMN event text NOT NULL DEFAULT '';

GRANT SELECT, INSERT, UPDATE, DELETE ON deliveries TO ml_service_bot;

-- Who has heard of an alert: each admin is told once, and once of its end.
CREATE TABLE telegram_alert_receipts (
    name text NOT NULL REFERENCES telegram_alerts (name) ON DELETE CASCADE,
    chat_id bigint NOT NULL REFERENCES telegram_chats (chat_id),
    PRIMARY KEY (name, chat_id)
);
INSERT INTO telegram_alert_receipts (name, chat_id)
SELECT a.name, c.chat_id
FROM telegram_alerts AS a CROSS JOIN telegram_chats AS c JOIN users AS u ON u.id = c.user_id
WHERE a.sent_at IS NOT NULL AND u.is_admin;
ALTER TABLE telegram_alerts DROP COLUMN sent_at;
GRANT SELECT, INSERT, DELETE ON telegram_alert_receipts TO ml_service_bot;

-- Where an account wants to hear of its answers, where a request does not say.
ALTER TABLE users ADD COLUMN notify text[] NOT NULL DEFAULT '{}',
    ADD CONSTRAINT users_notify CHECK (notify <@ ARRAY['telegram']);
GRANT SELECT (notify), UPDATE (notify) ON users TO ml_service_bot;

-- Webhooks: addresses that hear of what happens in an account.
CREATE TABLE webhooks (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id),
    url text NOT NULL,
    events text[] NOT NULL,
    balance_low_credits bigint NOT NULL,        -- `balance.low` is owed when the balance falls below
    secret text NOT NULL,
    previous_secret text,                       -- signs as well, until previous_until
    previous_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    failing_since timestamptz,                  -- the first failure since the last success
    disabled_at timestamptz,
    disabled_reason text,
    CONSTRAINT webhooks_url CHECK (length(url) <= 2048),
    CONSTRAINT webhooks_events CHECK (cardinality(events) > 0),
    CONSTRAINT webhooks_balance_low CHECK (balance_low_credits > 0),
    CONSTRAINT webhooks_previous CHECK ((previous_secret IS NULL) = (previous_until IS NULL)),
    CONSTRAINT webhooks_disabled CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL)),
    CONSTRAINT webhooks_reason CHECK (disabled_reason IN ('user', 'failing', 'gone', 'admin'))
);
CREATE INDEX webhooks_of_user ON webhooks (user_id, id);

-- What signs an account's messages to webhooks that its requests name.
CREATE TABLE webhook_secrets (
    user_id uuid PRIMARY KEY REFERENCES users (id),
    secret text NOT NULL,
    previous_secret text,
    previous_until timestamptz,
    CONSTRAINT webhook_secrets_previous CHECK ((previous_secret IS NULL) = (previous_until IS NULL))
);

-- A webhook that a request named, for the prediction or each one of the batch.
CREATE TABLE request_webhooks (
    subject_id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id),
    url text NOT NULL,
    origin text NOT NULL,                       -- scheme, host and port of the URL
    events text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT request_webhooks_url CHECK (length(url) <= 2048)
);
CREATE INDEX request_webhooks_age ON request_webhooks (created_at);

-- Messages to webhooks, and notices to chats, are deliveries like the answers in chats.
ALTER TABLE deliveries
    ALTER COLUMN is_batch SET DEFAULT false,
    ALTER COLUMN is_from_chat SET DEFAULT false,
    ADD COLUMN event text,
    ADD COLUMN data json,                       -- of the event; NULL: the prediction
    ADD COLUMN webhook_id uuid,                 -- no foreign key: deleting a webhook must not delete a long log at once
    ADD COLUMN url text,                        -- of the webhook that a request named
    ADD COLUMN endpoint text,                   -- what a slow receiver delays: a webhook, or a user's requests to an origin
    ADD COLUMN attempts_before int NOT NULL DEFAULT 0,  -- before it was asked to be sent again
    DROP CONSTRAINT deliveries_kind,
    ADD CONSTRAINT deliveries_kind CHECK (CASE kind
        WHEN 'chat' THEN chat_id IS NOT NULL
        WHEN 'notice' THEN chat_id IS NOT NULL AND event IS NOT NULL
        WHEN 'webhook' THEN endpoint IS NOT NULL AND event IS NOT NULL AND (webhook_id IS NULL) = (url IS NOT NULL)
        ELSE false
    END);
DROP INDEX deliveries_open;
CREATE INDEX deliveries_open ON deliveries (chat_id, id) WHERE delivered_at IS NULL AND chat_id IS NOT NULL;
CREATE INDEX deliveries_due ON deliveries (endpoint, due_at, id) WHERE delivered_at IS NULL AND kind = 'webhook';
CREATE UNIQUE INDEX deliveries_of_endpoint ON deliveries (endpoint, subject_id) WHERE kind = 'webhook';
CREATE INDEX deliveries_of_webhook ON deliveries (webhook_id, id) WHERE webhook_id IS NOT NULL;
CREATE INDEX deliveries_to_webhooks_of_user ON deliveries (user_id, id) WHERE kind = 'webhook';

CREATE TABLE delivery_attempts (
    delivery_id bigint NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    attempt int NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    status int,                                 -- NULL: there was no answer
    ms real NOT NULL,
    error text,
    answer text,                                -- its beginning
    PRIMARY KEY (delivery_id, attempt),
    CONSTRAINT delivery_attempts_bounded CHECK (length(error) <= 300 AND length(answer) <= 1000)
);

-- What the user's webhooks hear of, so that the statements of those who have none need not look.
ALTER TABLE users
    ADD COLUMN has_webhooks boolean NOT NULL DEFAULT false,
    ADD COLUMN balance_low_credits bigint NOT NULL DEFAULT 0;  -- the largest of those who hear of `balance.low`
ALTER TABLE predictions ADD COLUMN owes_webhooks boolean NOT NULL DEFAULT false;

-- The functions run with the owner's rights: workers may not read addresses and secrets.
CREATE FUNCTION owe_event(owner uuid, event_name text, subject uuid, event_data json) RETURNS void LANGUAGE sql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO deliveries (kind, subject_id, user_id, webhook_id, endpoint, event, data)
    SELECT 'webhook', subject, w.user_id, w.id, w.user_id || ' ' || w.id, event_name, event_data
    FROM webhooks AS w
    WHERE w.user_id = owner AND w.disabled_at IS NULL AND event_name = ANY (w.events)
    ON CONFLICT DO NOTHING
$$;

-- Whatever ends a prediction owes its messages in the same statement.
CREATE FUNCTION owe_webhooks_of_prediction() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM owe_event(NEW.user_id, 'prediction.' || NEW.status, NEW.id, NULL);
    INSERT INTO deliveries (kind, subject_id, user_id, url, endpoint, event)
    SELECT 'webhook', NEW.id, NEW.user_id, r.url, NEW.user_id || ' ' || r.origin, 'prediction.' || NEW.status
    FROM request_webhooks AS r
    WHERE r.subject_id = coalesce(NEW.batch_id, NEW.id) AND 'prediction.' || NEW.status = ANY (r.events)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER predictions_owe_webhooks AFTER UPDATE ON predictions
    FOR EACH ROW WHEN (NEW.owes_webhooks AND OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL)
    EXECUTE FUNCTION owe_webhooks_of_prediction();

CREATE FUNCTION owe_balance_low() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO deliveries (kind, subject_id, user_id, webhook_id, endpoint, event, data)
    SELECT 'webhook', gen_random_uuid(), w.user_id, w.id, w.user_id || ' ' || w.id, 'balance.low',
        json_build_object('balance', NEW.balance, 'balance_low_credits', w.balance_low_credits)
    FROM webhooks AS w
    WHERE w.user_id = NEW.id AND w.disabled_at IS NULL AND 'balance.low' = ANY (w.events)
        AND NEW.balance < w.balance_low_credits AND OLD.balance >= w.balance_low_credits;
    RETURN NULL;
END
$$;
CREATE TRIGGER users_owe_balance_low AFTER UPDATE OF balance ON users
    FOR EACH ROW WHEN (NEW.balance < NEW.balance_low_credits AND NEW.balance < OLD.balance)
    EXECUTE FUNCTION owe_balance_low();

REVOKE ALL ON FUNCTION owe_event FROM PUBLIC;
GRANT EXECUTE ON FUNCTION owe_event TO ml_service_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON webhooks, webhook_secrets, request_webhooks TO ml_service_app;
GRANT UPDATE ON deliveries TO ml_service_app;
GRANT SELECT, INSERT, DELETE ON delivery_attempts TO ml_service_app;
GRANT SELECT (has_webhooks) ON users TO ml_service_bot;

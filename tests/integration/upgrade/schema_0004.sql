-- A database of commit efe45b7 (schema 0004), as pg_dump gave it after that commit's own migrations and statements:
-- 5 users, 33 predictions (8 of them open; their worker was frozen), 67 transactions, the books right; the bot has
-- shown one answer and owes three: of a prediction that has ended, of an open one, and of an open batch.

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

CREATE FUNCTION public.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION '% of % is final', TG_OP, TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE FUNCTION public.worker_is_gone(worker text) RETURNS boolean
    LANGUAGE sql STABLE COST 1000 PARALLEL SAFE
    AS $$
    SELECT NOT EXISTS (
        SELECT FROM workers AS w
        JOIN pg_locks AS l
            ON l.locktype = 'advisory' AND l.classid = 779 AND l.objid = w.number::oid AND l.objsubid = 2 AND l.granted
            AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
        WHERE w.id = worker AND w.stopped_at IS NULL AND w.lease_until > now()
    )
$$;

SET default_tablespace = '';

SET default_table_access_method = heap;

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);

CREATE SEQUENCE public.consumer_numbers
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE public.idempotency_keys (
    user_id uuid NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    prediction_id uuid NOT NULL,
    batch_id uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.models (
    name text NOT NULL,
    version text NOT NULL,
    spec json NOT NULL,
    price_credits bigint NOT NULL,
    price_credits_set bigint,
    announced_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT models_price_not_negative CHECK (((price_credits >= 0) AND (COALESCE(price_credits_set, (0)::bigint) >= 0)))
);

CREATE TABLE public.outbox (
    prediction_id uuid NOT NULL,
    user_id uuid NOT NULL,
    pool text NOT NULL,
    model text NOT NULL,
    bulk boolean NOT NULL,
    send_after timestamp with time zone DEFAULT now() NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0.01', autovacuum_vacuum_threshold='1000');

CREATE TABLE public.predictions (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    model text NOT NULL,
    version text,
    status text DEFAULT 'queued'::text NOT NULL,
    source text NOT NULL,
    cost bigint NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    batch_id uuid,
    worker_id text,
    predict_ms real,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    deadline_at timestamp with time zone,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    error_code text,
    error_message text,
    input json NOT NULL,
    output json,
    CONSTRAINT predictions_cost CHECK ((cost >= 0)),
    CONSTRAINT predictions_error CHECK (((error_code IS NOT NULL) = (status = ANY (ARRAY['failed'::text, 'canceled'::text, 'expired'::text])))),
    CONSTRAINT predictions_finished CHECK (((finished_at IS NULL) = (status = ANY (ARRAY['queued'::text, 'processing'::text])))),
    CONSTRAINT predictions_output CHECK (((output IS NOT NULL) = (status = 'succeeded'::text))),
    CONSTRAINT predictions_processing CHECK (((status <> 'processing'::text) OR ((worker_id IS NOT NULL) AND (attempts > 0)))),
    CONSTRAINT predictions_status CHECK ((status = ANY (ARRAY['queued'::text, 'processing'::text, 'succeeded'::text, 'failed'::text, 'canceled'::text, 'expired'::text])))
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0.05', autovacuum_analyze_scale_factor='0.1');

CREATE TABLE public.queue_messages (
    id bigint NOT NULL,
    queue text NOT NULL,
    body text NOT NULL,
    reason text,
    enqueued_at timestamp with time zone DEFAULT now() NOT NULL,
    visible_at timestamp with time zone DEFAULT now() NOT NULL,
    deliveries integer DEFAULT 0 NOT NULL,
    consumer integer,
    leased_until timestamp with time zone
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.01', autovacuum_vacuum_threshold='1000');

ALTER TABLE public.queue_messages ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.queue_messages_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.rate_limits (
    key text NOT NULL,
    count integer NOT NULL,
    window_ends_at timestamp with time zone NOT NULL
)
WITH (fillfactor='70');

CREATE TABLE public.sessions (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    refresh_hash bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone
);

CREATE TABLE public.telegram_alerts (
    name text NOT NULL,
    raised_at timestamp with time zone DEFAULT now() NOT NULL,
    sent_at timestamp with time zone
);

CREATE TABLE public.telegram_bots (
    bot_id bigint NOT NULL,
    username text NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.telegram_chats (
    chat_id bigint NOT NULL,
    own_user_id uuid NOT NULL,
    user_id uuid NOT NULL,
    language text NOT NULL,
    model text,
    dialog json,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    blocked_at timestamp with time zone,
    stopped_at timestamp with time zone
)
WITH (fillfactor='70');

CREATE TABLE public.telegram_link_codes (
    code_hash bytea NOT NULL,
    user_id uuid NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    used_by bigint,
    CONSTRAINT telegram_link_codes_short_lived CHECK ((expires_at <= (now() + '00:10:01'::interval)))
);

CREATE TABLE public.telegram_notifications (
    id uuid NOT NULL,
    is_batch boolean NOT NULL,
    chat_id bigint NOT NULL,
    request_message_id bigint,
    message_id bigint,
    file_sent_at timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    run_at timestamp with time zone DEFAULT now() NOT NULL,
    leased_until timestamp with time zone,
    notified_at timestamp with time zone,
    error text
)
WITH (fillfactor='70');

CREATE TABLE public.telegram_updates (
    bot_id bigint NOT NULL,
    update_id bigint NOT NULL,
    chat_id bigint NOT NULL,
    body json,
    attempts integer DEFAULT 0 NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    run_at timestamp with time zone DEFAULT now() NOT NULL,
    leased_until timestamp with time zone,
    handled_at timestamp with time zone,
    error text,
    CONSTRAINT telegram_updates_body CHECK (((body IS NOT NULL) OR (handled_at IS NOT NULL)))
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.01', autovacuum_vacuum_threshold='1000');

CREATE TABLE public.transactions (
    id bigint NOT NULL,
    user_id uuid NOT NULL,
    kind text NOT NULL,
    amount bigint NOT NULL,
    prediction_id uuid,
    reason text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT transactions_amount CHECK (((amount > 0) OR ((amount = 0) AND (prediction_id IS NOT NULL)) OR ((amount <> 0) AND (kind = ANY (ARRAY['transfer'::text, 'adjustment'::text]))))),
    CONSTRAINT transactions_kind CHECK ((kind = ANY (ARRAY['grant'::text, 'top_up'::text, 'hold'::text, 'capture'::text, 'release'::text, 'transfer'::text, 'adjustment'::text]))),
    CONSTRAINT transactions_prediction CHECK (((prediction_id IS NOT NULL) = (kind = ANY (ARRAY['hold'::text, 'capture'::text, 'release'::text]))))
);

ALTER TABLE public.transactions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.transactions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.users (
    id uuid NOT NULL,
    username text NOT NULL,
    username_key text NOT NULL,
    password_hash text,
    is_admin boolean DEFAULT false NOT NULL,
    is_demo boolean DEFAULT false NOT NULL,
    balance bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT users_balance_not_negative CHECK ((balance >= 0)),
    CONSTRAINT users_demo_is_no_admin CHECK ((NOT (is_demo AND is_admin)))
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.01', autovacuum_vacuum_threshold='1000');

CREATE SEQUENCE public.worker_numbers
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE public.workers (
    id text NOT NULL,
    number integer NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    pools text[] NOT NULL,
    models text[] NOT NULL,
    state text NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    heartbeat_at timestamp with time zone DEFAULT now() NOT NULL,
    lease_until timestamp with time zone NOT NULL,
    stopped_at timestamp with time zone,
    CONSTRAINT workers_state CHECK ((state = ANY (ARRAY['starting'::text, 'ready'::text, 'stopping'::text, 'stopped'::text])))
)
WITH (fillfactor='50');

INSERT INTO public.alembic_version (version_num) VALUES
	('0004');

INSERT INTO public.idempotency_keys (user_id, key, fingerprint, prediction_id, batch_id, created_at) VALUES
	('01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'key-2', '\x7878787878787878787878787878787878787878787878787878787878787878', '01a214e7-edaf-71e2-8ca8-91b03f014359', NULL, '2026-11-25 22:51:13.718683+00'),
	('01a214e7-ea87-7308-bedd-d7974087e30f', 'key-4', '\x7878787878787878787878787878787878787878787878787878787878787878', '01a214e7-edda-7261-b063-86a3b45672df', '01a214e7-eddc-7144-bb6f-2e321e85dba4', '2026-11-25 22:51:13.756559+00');

INSERT INTO public.models (name, version, spec, price_credits, price_credits_set, announced_at) VALUES
	('echo', '1', '{"name":"echo","version":"1","description":"Returns its input unchanged. For benchmarks and tests: it measures the service itself.","price_credits":1,"input_schema":{"type":"object","properties":{"text":{"type":"string","description":"Comes back as it is."}},"required":["text"]},"output_schema":{"type":"object","properties":{"text":{"type":"string","description":"Comes back as it is."}},"required":["text"]},"batch_size":256,"timeout_s":30.0,"pool":"default","examples":[{"text":"hello"}]}', 1, NULL, '2026-11-25 22:51:12.70379+00');

INSERT INTO public.outbox (prediction_id, user_id, pool, model, bulk, send_after) VALUES
	('01a214e7-edc0-72a4-8760-dee6acc20a23', '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'default', 'echo', false, '2026-11-25 22:51:13.728244+00'),
	('01a214e7-edda-7263-8436-7cb9ae200727', '01a214e7-ea87-7308-bedd-d7974087e30f', 'default', 'echo', true, '2026-11-25 22:51:13.756559+00'),
	('01a214e7-edda-7264-83af-fcc7119679f7', '01a214e7-ea87-7308-bedd-d7974087e30f', 'default', 'echo', true, '2026-11-25 22:51:13.756559+00'),
	('01a214e7-ef6f-7066-a4c4-69e0a04947d4', '01a214e7-eb0b-7254-9ed5-4781c0e0802e', 'default', 'echo', false, '2026-11-25 22:51:14.159421+00'),
	('01a214e7-efa6-72eb-94af-a712a34da8de', '01a214e7-ea87-7308-bedd-d7974087e30f', 'default', 'echo', true, '2026-11-25 22:51:14.215151+00'),
	('01a214e7-efa7-73b1-ad1f-8c0502069620', '01a214e7-ea87-7308-bedd-d7974087e30f', 'default', 'echo', true, '2026-11-25 22:51:14.215151+00');

INSERT INTO public.predictions (id, user_id, model, version, status, source, cost, attempts, batch_id, worker_id, predict_ms, created_at, deadline_at, started_at, finished_at, error_code, error_message, input, output) VALUES
	('01a214e7-ece4-73df-bbf4-2849961a95fb', '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'echo', '1', 'succeeded', 'api', 1, 1, NULL, 'worker-1-old', 1.5, '2026-11-25 22:51:13.509127+00', NULL, '2026-11-25 22:51:13.524632+00', '2026-11-25 22:51:13.526779+00', NULL, NULL, '{"text":"single 1"}', '{"text":"single 1"}'),
	('01a214e7-ed1e-72d3-accd-598a53fdc208', '01a214e7-ea87-7308-bedd-d7974087e30f', 'echo', '1', 'succeeded', 'api', 1, 1, '01a214e7-ed26-7224-aa77-551805aac514', 'worker-1-old', 1.5, '2026-11-25 22:51:13.570671+00', NULL, '2026-11-25 22:51:13.579844+00', '2026-11-25 22:51:13.580547+00', NULL, NULL, '{"text":"Готово 1"}', '{"text":"Готово 1"}'),
	('01a214e7-ecf7-724a-9ee2-76dbdd050521', '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'echo', '1', 'failed', 'api', 1, 1, NULL, 'worker-1-old', 1.5, '2026-11-25 22:51:13.532019+00', NULL, '2026-11-25 22:51:13.550714+00', '2026-11-25 22:51:13.56268+00', 'model_error', 'It failed.', '{"text":"single 2"}', NULL),
	('01a214e7-ebd5-71b6-b13c-7f1b05caf8c4', '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'echo', '1', 'succeeded', 'api', 1, 1, '01a214e7-ebd9-705d-9d83-84386b07772b', 'worker-1-old', 1.5, '2026-11-25 22:51:13.237377+00', NULL, '2026-11-25 22:51:13.384794+00', '2026-11-25 22:51:13.437373+00', NULL, NULL, '{"text":"Готово 1"}', '{"text":"Готово 1"}'),
	('01a214e7-ebd5-71b7-8cc7-d7d51cdd4c4a', '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'echo', '1', 'succeeded', 'api', 1, 1, '01a214e7-ebd9-705d-9d83-84386b07772b', 'worker-1-old', 1.5, '2026-11-25 22:51:13.237377+00', NULL, '2026-11-25 22:51:13.384794+00', '2026-11-25 22:51:13.437373+00', NULL, NULL, '{"text":"Готово 2"}', '{"text":"Готово 2"}'),
	('01a214e7-ebd5-71b8-bd48-256cc40a9feb', '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'echo', '1', 'succeeded', 'api', 1, 1, '01a214e7-ebd9-705d-9d83-84386b07772b', 'worker-1-old', 1.5, '2026-11-25 22:51:13.237377+00', NULL, '2026-11-25 22:51:13.384794+00', '2026-11-25 22:51:13.437373+00', NULL, NULL, '{"text":"Готово 3"}', '{"text":"Готово 3"}'),
	('01a214e7-ebd5-71b9-b47f-b14e2c857cea', '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'echo', '1', 'succeeded', 'api', 1, 1, '01a214e7-ebd9-705d-9d83-84386b07772b', 'worker-1-old', 1.5, '2026-11-25 22:51:13.237377+00', NULL, '2026-11-25 22:51:13.384794+00', '2026-11-25 22:51:13.437373+00', NULL, NULL, '{"text":"Готово 4"}', '{"text":"Готово 4"}'),
	('01a214e7-ebd5-71ba-9f8a-4d78b869f9ea', '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'echo', '1', 'succeeded', 'api', 1, 1, '01a214e7-ebd9-705d-9d83-84386b07772b', 'worker-1-old', 1.5, '2026-11-25 22:51:13.237377+00', NULL, '2026-11-25 22:51:13.384794+00', '2026-11-25 22:51:13.437373+00', NULL, NULL, '{"text":"Готово 5"}', '{"text":"Готово 5"}'),
	('01a214e7-ebd5-71b5-bab9-b1a3ac0b0b11', '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'echo', '1', 'failed', 'api', 1, 1, '01a214e7-ebd9-705d-9d83-84386b07772b', 'worker-1-old', 1.5, '2026-11-25 22:51:13.237377+00', NULL, '2026-11-25 22:51:13.456287+00', '2026-11-25 22:51:13.478519+00', 'model_error', 'It failed.', '{"text":"Готово 0"}', NULL),
	('01a214e7-ecc8-71f1-8593-4adefbb24aff', '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'echo', '1', 'succeeded', 'api', 1, 1, NULL, 'worker-1-old', 1.5, '2026-11-25 22:51:13.481358+00', NULL, '2026-11-25 22:51:13.498438+00', '2026-11-25 22:51:13.499215+00', NULL, NULL, '{"text":"single 0"}', '{"text":"single 0"}'),
	('01a214e7-ed1e-72d4-8308-584997f4c0fd', '01a214e7-ea87-7308-bedd-d7974087e30f', 'echo', '1', 'succeeded', 'api', 1, 1, '01a214e7-ed26-7224-aa77-551805aac514', 'worker-1-old', 1.5, '2026-11-25 22:51:13.570671+00', NULL, '2026-11-25 22:51:13.579844+00', '2026-11-25 22:51:13.580547+00', NULL, NULL, '{"text":"Готово 2"}', '{"text":"Готово 2"}'),
	('01a214e7-ed1e-72d2-b0d3-6739ad85c5e3', '01a214e7-ea87-7308-bedd-d7974087e30f', 'echo', '1', 'failed', 'api', 1, 1, '01a214e7-ed26-7224-aa77-551805aac514', 'worker-1-old', 1.5, '2026-11-25 22:51:13.570671+00', NULL, '2026-11-25 22:51:13.582669+00', '2026-11-25 22:51:13.592803+00', 'model_error', 'It failed.', '{"text":"Готово 0"}', NULL),
	('01a214e7-ed1e-72d5-8166-c63495b43eea', '01a214e7-ea87-7308-bedd-d7974087e30f', 'echo', '1', 'succeeded', 'api', 1, 1, '01a214e7-ed26-7224-aa77-551805aac514', 'worker-1-old', 1.5, '2026-11-25 22:51:13.570671+00', NULL, '2026-11-25 22:51:13.579844+00', '2026-11-25 22:51:13.580547+00', NULL, NULL, '{"text":"Готово 3"}', '{"text":"Готово 3"}'),
	('01a214e7-ed1e-72d6-b2b2-04e3c3233737', '01a214e7-ea87-7308-bedd-d7974087e30f', 'echo', '1', 'succeeded', 'api', 1, 1, '01a214e7-ed26-7224-aa77-551805aac514', 'worker-1-old', 1.5, '2026-11-25 22:51:13.570671+00', NULL, '2026-11-25 22:51:13.579844+00', '2026-11-25 22:51:13.580547+00', NULL, NULL, '{"text":"Готово 4"}', '{"text":"Готово 4"}'),
	('01a214e7-ed1e-72d7-8bdf-eaabf736c9b9', '01a214e7-ea87-7308-bedd-d7974087e30f', 'echo', '1', 'succeeded', 'api', 1, 1, '01a214e7-ed26-7224-aa77-551805aac514', 'worker-1-old', 1.5, '2026-11-25 22:51:13.570671+00', NULL, '2026-11-25 22:51:13.579844+00', '2026-11-25 22:51:13.580547+00', NULL, NULL, '{"text":"Готово 5"}', '{"text":"Готово 5"}'),
	('01a214e7-ed1e-72d8-a6ec-cf9e930ac2e0', '01a214e7-ea87-7308-bedd-d7974087e30f', 'echo', '1', 'succeeded', 'api', 1, 1, '01a214e7-ed26-7224-aa77-551805aac514', 'worker-1-old', 1.5, '2026-11-25 22:51:13.570671+00', NULL, '2026-11-25 22:51:13.579844+00', '2026-11-25 22:51:13.580547+00', NULL, NULL, '{"text":"Готово 6"}', '{"text":"Готово 6"}'),
	('01a214e7-ed1e-72d9-9fbf-5270ff6d06df', '01a214e7-ea87-7308-bedd-d7974087e30f', 'echo', '1', 'succeeded', 'api', 1, 1, '01a214e7-ed26-7224-aa77-551805aac514', 'worker-1-old', 1.5, '2026-11-25 22:51:13.570671+00', NULL, '2026-11-25 22:51:13.579844+00', '2026-11-25 22:51:13.580547+00', NULL, NULL, '{"text":"Готово 7"}', '{"text":"Готово 7"}'),
	('01a214e7-ed1e-72da-aa8f-dd2acb7ef5a4', '01a214e7-ea87-7308-bedd-d7974087e30f', 'echo', '1', 'succeeded', 'api', 1, 1, '01a214e7-ed26-7224-aa77-551805aac514', 'worker-1-old', 1.5, '2026-11-25 22:51:13.570671+00', NULL, '2026-11-25 22:51:13.579844+00', '2026-11-25 22:51:13.580547+00', NULL, NULL, '{"text":"Готово 8"}', '{"text":"Готово 8"}'),
	('01a214e7-ed39-7242-bc7a-c96d8328d54e', '01a214e7-ea87-7308-bedd-d7974087e30f', 'echo', '1', 'succeeded', 'api', 1, 1, NULL, 'worker-1-old', 1.5, '2026-11-25 22:51:13.59869+00', NULL, '2026-11-25 22:51:13.62736+00', '2026-11-25 22:51:13.63471+00', NULL, NULL, '{"text":"single 0"}', '{"text":"single 0"}'),
	('01a214e7-ed64-7131-9f5f-05fd41814e63', '01a214e7-ea87-7308-bedd-d7974087e30f', 'echo', '1', 'succeeded', 'api', 1, 1, NULL, 'worker-1-old', 1.5, '2026-11-25 22:51:13.636252+00', NULL, '2026-11-25 22:51:13.657632+00', '2026-11-25 22:51:13.658982+00', NULL, NULL, '{"text":"single 1"}', '{"text":"single 1"}'),
	('01a214e7-ed7f-72fc-8dbd-8b524f6ca254', '01a214e7-ea87-7308-bedd-d7974087e30f', 'echo', '1', 'failed', 'api', 1, 1, NULL, 'worker-1-old', 1.5, '2026-11-25 22:51:13.674936+00', NULL, '2026-11-25 22:51:13.693762+00', '2026-11-25 22:51:13.69901+00', 'model_error', 'It failed.', '{"text":"single 2"}', NULL),
	('01a214e7-edaf-71e2-8ca8-91b03f014359', '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'echo', '1', 'processing', 'api', 1, 1, NULL, 'worker-1-old', NULL, '2026-11-25 22:51:13.718683+00', NULL, '2026-11-25 22:51:13.727313+00', NULL, NULL, NULL, '{"text":"open a"}', NULL),
	('01a214e7-edc0-72a4-8760-dee6acc20a23', '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'echo', '1', 'queued', 'api', 1, 0, NULL, NULL, NULL, '2026-11-25 22:51:13.728244+00', NULL, NULL, NULL, NULL, NULL, '{"text":"open b"}', NULL),
	('01a214e7-edda-7263-8436-7cb9ae200727', '01a214e7-ea87-7308-bedd-d7974087e30f', 'echo', '1', 'queued', 'api', 1, 0, '01a214e7-eddc-7144-bb6f-2e321e85dba4', NULL, NULL, '2026-11-25 22:51:13.756559+00', NULL, NULL, NULL, NULL, NULL, '{"text":"open e"}', NULL),
	('01a214e7-edda-7264-83af-fcc7119679f7', '01a214e7-ea87-7308-bedd-d7974087e30f', 'echo', '1', 'queued', 'api', 1, 0, '01a214e7-eddc-7144-bb6f-2e321e85dba4', NULL, NULL, '2026-11-25 22:51:13.756559+00', NULL, NULL, NULL, NULL, NULL, '{"text":"open f"}', NULL),
	('01a214e7-edda-7261-b063-86a3b45672df', '01a214e7-ea87-7308-bedd-d7974087e30f', 'echo', '1', 'succeeded', 'api', 1, 1, '01a214e7-eddc-7144-bb6f-2e321e85dba4', 'worker-1-old', 1.5, '2026-11-25 22:51:13.756559+00', NULL, '2026-11-25 22:51:13.769332+00', '2026-11-25 22:51:13.775422+00', NULL, NULL, '{"text":"open c"}', '{"text":"open c"}'),
	('01a214e7-edda-7262-9c08-358562c7838b', '01a214e7-ea87-7308-bedd-d7974087e30f', 'echo', '1', 'processing', 'api', 1, 1, '01a214e7-eddc-7144-bb6f-2e321e85dba4', 'worker-1-old', NULL, '2026-11-25 22:51:13.756559+00', NULL, '2026-11-25 22:51:13.782671+00', NULL, NULL, NULL, '{"text":"open d"}', NULL),
	('01a214e7-ee05-7013-a688-60ae54f2580c', '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'echo', '1', 'canceled', 'api', 1, 0, NULL, NULL, NULL, '2026-11-25 22:51:13.798109+00', NULL, NULL, '2026-11-25 22:51:13.817379+00', 'canceled', 'The prediction was canceled by its user.', '{"text":"given up"}', NULL),
	('01a214e7-ee5f-7090-b429-45c1948c45b1', '01a214e7-eb0b-7254-9ed5-4781c0e0802e', 'echo', '1', 'succeeded', 'telegram', 1, 1, NULL, 'worker-1-old', 1.5, '2026-11-25 22:51:13.890697+00', NULL, '2026-11-25 22:51:13.97068+00', '2026-11-25 22:51:13.986656+00', NULL, NULL, '{"text":"shown"}', '{"text":"shown"}'),
	('01a214e7-ef2b-73db-bec0-c5338d0f2f34', '01a214e7-eb0b-7254-9ed5-4781c0e0802e', 'echo', '1', 'succeeded', 'telegram', 1, 1, NULL, 'worker-1-old', 1.5, '2026-11-25 22:51:14.091201+00', NULL, '2026-11-25 22:51:14.093391+00', '2026-11-25 22:51:14.098633+00', NULL, NULL, '{"text":"ended, not shown"}', '{"text":"ended, not shown"}'),
	('01a214e7-ef6f-7066-a4c4-69e0a04947d4', '01a214e7-eb0b-7254-9ed5-4781c0e0802e', 'echo', '1', 'queued', 'telegram', 1, 0, NULL, NULL, NULL, '2026-11-25 22:51:14.159421+00', NULL, NULL, NULL, NULL, NULL, '{"text":"open g"}', NULL),
	('01a214e7-efa6-72eb-94af-a712a34da8de', '01a214e7-ea87-7308-bedd-d7974087e30f', 'echo', '1', 'queued', 'telegram', 1, 0, '01a214e7-efbd-717d-9fdd-f893c798316b', NULL, NULL, '2026-11-25 22:51:14.215151+00', NULL, NULL, NULL, NULL, NULL, '{"text":"open h"}', NULL),
	('01a214e7-efa7-73b1-ad1f-8c0502069620', '01a214e7-ea87-7308-bedd-d7974087e30f', 'echo', '1', 'queued', 'telegram', 1, 0, '01a214e7-efbd-717d-9fdd-f893c798316b', NULL, NULL, '2026-11-25 22:51:14.215151+00', NULL, NULL, NULL, NULL, NULL, '{"text":"open i"}', NULL);

INSERT INTO public.telegram_bots (bot_id, username, seen_at) VALUES
	(4242, 'old_bot', '2026-11-25 22:51:14.314653+00');

INSERT INTO public.telegram_chats (chat_id, own_user_id, user_id, language, model, dialog, created_at, blocked_at, stopped_at) VALUES
	(7, '01a214e7-eb0b-7254-9ed5-4781c0e0802e', '01a214e7-eb0b-7254-9ed5-4781c0e0802e', 'ru', NULL, NULL, '2026-11-25 22:51:12.70379+00', NULL, NULL),
	(8, '01a214e7-eb3a-71fe-8788-6230dcea9d48', '01a214e7-ea87-7308-bedd-d7974087e30f', 'en', NULL, NULL, '2026-11-25 22:51:12.70379+00', NULL, NULL);

INSERT INTO public.telegram_link_codes (code_hash, user_id, expires_at, used_by) VALUES
	('\x2734333564c923c77993885ce9f48cface438c8845507c3cd1c424dd89623f16', '01a214e7-ea87-7308-bedd-d7974087e30f', '2026-11-25 23:01:13.151631+00', 8);

INSERT INTO public.telegram_notifications (id, is_batch, chat_id, request_message_id, message_id, file_sent_at, attempts, created_at, run_at, leased_until, notified_at, error) VALUES
	('01a214e7-ee5f-7090-b429-45c1948c45b1', false, 7, 11, 12, NULL, 0, '2026-11-25 22:51:13.992599+00', '2026-11-25 22:51:13.992599+00', NULL, '2026-11-25 22:51:14.058694+00', NULL),
	('01a214e7-ef2b-73db-bec0-c5338d0f2f34', false, 7, 13, 14, NULL, 0, '2026-11-25 22:51:14.104935+00', '2026-11-25 22:51:14.104935+00', NULL, NULL, NULL),
	('01a214e7-ef6f-7066-a4c4-69e0a04947d4', false, 7, 15, 16, NULL, 0, '2026-11-25 22:51:14.208057+00', '2026-11-25 22:51:14.208057+00', NULL, NULL, NULL),
	('01a214e7-efbd-717d-9fdd-f893c798316b', true, 8, 21, 22, NULL, 0, '2026-11-25 22:51:14.264399+00', '2026-11-25 22:51:14.264399+00', NULL, NULL, NULL);

INSERT INTO public.telegram_updates (bot_id, update_id, chat_id, body, attempts, received_at, run_at, leased_until, handled_at, error) VALUES
	(4242, 2, 8, '{"update_id":2}', 0, '2026-11-25 22:51:14.314653+00', '2026-11-25 22:51:14.314653+00', NULL, NULL, NULL),
	(4242, 1, 7, NULL, 0, '2026-11-25 22:51:14.314653+00', '2026-11-25 22:51:14.314653+00', NULL, '2026-11-25 22:51:14.314653+00', NULL);

INSERT INTO public.transactions (id, user_id, kind, amount, prediction_id, reason, created_at) OVERRIDING SYSTEM VALUE VALUES
	(1, '01a214e7-e991-739e-92f1-8b7ca7bc69eb', 'grant', 100, NULL, NULL, '2026-11-25 22:51:12.657473+00'),
	(2, '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'grant', 100, NULL, NULL, '2026-11-25 22:51:12.70379+00'),
	(3, '01a214e7-ea87-7308-bedd-d7974087e30f', 'grant', 100, NULL, NULL, '2026-11-25 22:51:12.70379+00'),
	(4, '01a214e7-ea87-7308-bedd-d7974087e30f', 'top_up', 50, NULL, 'invoice 7', '2026-11-25 22:51:12.70379+00'),
	(5, '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'adjustment', -5, NULL, 'a mistake', '2026-11-25 22:51:12.70379+00'),
	(6, '01a214e7-eb0b-7254-9ed5-4781c0e0802e', 'grant', 100, NULL, NULL, '2026-11-25 22:51:12.70379+00'),
	(7, '01a214e7-eb3a-71fe-8788-6230dcea9d48', 'grant', 30, NULL, NULL, '2026-11-25 22:51:12.70379+00'),
	(8, '01a214e7-eb3a-71fe-8788-6230dcea9d48', 'transfer', -30, NULL, 'joined with Telegram chat 8', '2026-11-25 22:51:13.186043+00'),
	(9, '01a214e7-ea87-7308-bedd-d7974087e30f', 'transfer', 30, NULL, 'joined with Telegram chat 8', '2026-11-25 22:51:13.186043+00'),
	(10, '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'hold', 1, '01a214e7-ebd5-71b5-bab9-b1a3ac0b0b11', NULL, '2026-11-25 22:51:13.237377+00'),
	(11, '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'hold', 1, '01a214e7-ebd5-71b6-b13c-7f1b05caf8c4', NULL, '2026-11-25 22:51:13.237377+00'),
	(12, '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'hold', 1, '01a214e7-ebd5-71b7-8cc7-d7d51cdd4c4a', NULL, '2026-11-25 22:51:13.237377+00'),
	(13, '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'hold', 1, '01a214e7-ebd5-71b8-bd48-256cc40a9feb', NULL, '2026-11-25 22:51:13.237377+00'),
	(14, '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'hold', 1, '01a214e7-ebd5-71b9-b47f-b14e2c857cea', NULL, '2026-11-25 22:51:13.237377+00'),
	(15, '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'hold', 1, '01a214e7-ebd5-71ba-9f8a-4d78b869f9ea', NULL, '2026-11-25 22:51:13.237377+00'),
	(16, '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'capture', 1, '01a214e7-ebd5-71b6-b13c-7f1b05caf8c4', NULL, '2026-11-25 22:51:13.437373+00'),
	(17, '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'capture', 1, '01a214e7-ebd5-71b7-8cc7-d7d51cdd4c4a', NULL, '2026-11-25 22:51:13.437373+00'),
	(18, '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'capture', 1, '01a214e7-ebd5-71b8-bd48-256cc40a9feb', NULL, '2026-11-25 22:51:13.437373+00'),
	(19, '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'capture', 1, '01a214e7-ebd5-71b9-b47f-b14e2c857cea', NULL, '2026-11-25 22:51:13.437373+00'),
	(20, '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'capture', 1, '01a214e7-ebd5-71ba-9f8a-4d78b869f9ea', NULL, '2026-11-25 22:51:13.437373+00'),
	(21, '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'release', 1, '01a214e7-ebd5-71b5-bab9-b1a3ac0b0b11', NULL, '2026-11-25 22:51:13.478519+00'),
	(22, '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'hold', 1, '01a214e7-ecc8-71f1-8593-4adefbb24aff', NULL, '2026-11-25 22:51:13.481358+00'),
	(23, '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'capture', 1, '01a214e7-ecc8-71f1-8593-4adefbb24aff', NULL, '2026-11-25 22:51:13.499215+00'),
	(24, '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'hold', 1, '01a214e7-ece4-73df-bbf4-2849961a95fb', NULL, '2026-11-25 22:51:13.509127+00'),
	(25, '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'capture', 1, '01a214e7-ece4-73df-bbf4-2849961a95fb', NULL, '2026-11-25 22:51:13.526779+00'),
	(26, '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'hold', 1, '01a214e7-ecf7-724a-9ee2-76dbdd050521', NULL, '2026-11-25 22:51:13.532019+00'),
	(27, '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'release', 1, '01a214e7-ecf7-724a-9ee2-76dbdd050521', NULL, '2026-11-25 22:51:13.56268+00'),
	(28, '01a214e7-ea87-7308-bedd-d7974087e30f', 'hold', 1, '01a214e7-ed1e-72d2-b0d3-6739ad85c5e3', NULL, '2026-11-25 22:51:13.570671+00'),
	(29, '01a214e7-ea87-7308-bedd-d7974087e30f', 'hold', 1, '01a214e7-ed1e-72d3-accd-598a53fdc208', NULL, '2026-11-25 22:51:13.570671+00'),
	(30, '01a214e7-ea87-7308-bedd-d7974087e30f', 'hold', 1, '01a214e7-ed1e-72d4-8308-584997f4c0fd', NULL, '2026-11-25 22:51:13.570671+00'),
	(31, '01a214e7-ea87-7308-bedd-d7974087e30f', 'hold', 1, '01a214e7-ed1e-72d5-8166-c63495b43eea', NULL, '2026-11-25 22:51:13.570671+00'),
	(32, '01a214e7-ea87-7308-bedd-d7974087e30f', 'hold', 1, '01a214e7-ed1e-72d6-b2b2-04e3c3233737', NULL, '2026-11-25 22:51:13.570671+00'),
	(33, '01a214e7-ea87-7308-bedd-d7974087e30f', 'hold', 1, '01a214e7-ed1e-72d7-8bdf-eaabf736c9b9', NULL, '2026-11-25 22:51:13.570671+00'),
	(34, '01a214e7-ea87-7308-bedd-d7974087e30f', 'hold', 1, '01a214e7-ed1e-72d8-a6ec-cf9e930ac2e0', NULL, '2026-11-25 22:51:13.570671+00'),
	(35, '01a214e7-ea87-7308-bedd-d7974087e30f', 'hold', 1, '01a214e7-ed1e-72d9-9fbf-5270ff6d06df', NULL, '2026-11-25 22:51:13.570671+00'),
	(36, '01a214e7-ea87-7308-bedd-d7974087e30f', 'hold', 1, '01a214e7-ed1e-72da-aa8f-dd2acb7ef5a4', NULL, '2026-11-25 22:51:13.570671+00'),
	(37, '01a214e7-ea87-7308-bedd-d7974087e30f', 'capture', 1, '01a214e7-ed1e-72d3-accd-598a53fdc208', NULL, '2026-11-25 22:51:13.580547+00'),
	(38, '01a214e7-ea87-7308-bedd-d7974087e30f', 'capture', 1, '01a214e7-ed1e-72d4-8308-584997f4c0fd', NULL, '2026-11-25 22:51:13.580547+00'),
	(39, '01a214e7-ea87-7308-bedd-d7974087e30f', 'capture', 1, '01a214e7-ed1e-72d5-8166-c63495b43eea', NULL, '2026-11-25 22:51:13.580547+00'),
	(40, '01a214e7-ea87-7308-bedd-d7974087e30f', 'capture', 1, '01a214e7-ed1e-72d6-b2b2-04e3c3233737', NULL, '2026-11-25 22:51:13.580547+00'),
	(41, '01a214e7-ea87-7308-bedd-d7974087e30f', 'capture', 1, '01a214e7-ed1e-72d7-8bdf-eaabf736c9b9', NULL, '2026-11-25 22:51:13.580547+00'),
	(42, '01a214e7-ea87-7308-bedd-d7974087e30f', 'capture', 1, '01a214e7-ed1e-72d8-a6ec-cf9e930ac2e0', NULL, '2026-11-25 22:51:13.580547+00'),
	(43, '01a214e7-ea87-7308-bedd-d7974087e30f', 'capture', 1, '01a214e7-ed1e-72d9-9fbf-5270ff6d06df', NULL, '2026-11-25 22:51:13.580547+00'),
	(44, '01a214e7-ea87-7308-bedd-d7974087e30f', 'capture', 1, '01a214e7-ed1e-72da-aa8f-dd2acb7ef5a4', NULL, '2026-11-25 22:51:13.580547+00'),
	(45, '01a214e7-ea87-7308-bedd-d7974087e30f', 'release', 1, '01a214e7-ed1e-72d2-b0d3-6739ad85c5e3', NULL, '2026-11-25 22:51:13.592803+00'),
	(46, '01a214e7-ea87-7308-bedd-d7974087e30f', 'hold', 1, '01a214e7-ed39-7242-bc7a-c96d8328d54e', NULL, '2026-11-25 22:51:13.59869+00'),
	(47, '01a214e7-ea87-7308-bedd-d7974087e30f', 'capture', 1, '01a214e7-ed39-7242-bc7a-c96d8328d54e', NULL, '2026-11-25 22:51:13.63471+00'),
	(48, '01a214e7-ea87-7308-bedd-d7974087e30f', 'hold', 1, '01a214e7-ed64-7131-9f5f-05fd41814e63', NULL, '2026-11-25 22:51:13.636252+00'),
	(49, '01a214e7-ea87-7308-bedd-d7974087e30f', 'capture', 1, '01a214e7-ed64-7131-9f5f-05fd41814e63', NULL, '2026-11-25 22:51:13.658982+00'),
	(50, '01a214e7-ea87-7308-bedd-d7974087e30f', 'hold', 1, '01a214e7-ed7f-72fc-8dbd-8b524f6ca254', NULL, '2026-11-25 22:51:13.674936+00'),
	(51, '01a214e7-ea87-7308-bedd-d7974087e30f', 'release', 1, '01a214e7-ed7f-72fc-8dbd-8b524f6ca254', NULL, '2026-11-25 22:51:13.69901+00'),
	(52, '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'hold', 1, '01a214e7-edaf-71e2-8ca8-91b03f014359', NULL, '2026-11-25 22:51:13.718683+00'),
	(53, '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'hold', 1, '01a214e7-edc0-72a4-8760-dee6acc20a23', NULL, '2026-11-25 22:51:13.728244+00'),
	(54, '01a214e7-ea87-7308-bedd-d7974087e30f', 'hold', 1, '01a214e7-edda-7261-b063-86a3b45672df', NULL, '2026-11-25 22:51:13.756559+00'),
	(55, '01a214e7-ea87-7308-bedd-d7974087e30f', 'hold', 1, '01a214e7-edda-7262-9c08-358562c7838b', NULL, '2026-11-25 22:51:13.756559+00'),
	(56, '01a214e7-ea87-7308-bedd-d7974087e30f', 'hold', 1, '01a214e7-edda-7263-8436-7cb9ae200727', NULL, '2026-11-25 22:51:13.756559+00'),
	(57, '01a214e7-ea87-7308-bedd-d7974087e30f', 'hold', 1, '01a214e7-edda-7264-83af-fcc7119679f7', NULL, '2026-11-25 22:51:13.756559+00'),
	(58, '01a214e7-ea87-7308-bedd-d7974087e30f', 'capture', 1, '01a214e7-edda-7261-b063-86a3b45672df', NULL, '2026-11-25 22:51:13.775422+00'),
	(59, '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'hold', 1, '01a214e7-ee05-7013-a688-60ae54f2580c', NULL, '2026-11-25 22:51:13.798109+00'),
	(60, '01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'release', 1, '01a214e7-ee05-7013-a688-60ae54f2580c', NULL, '2026-11-25 22:51:13.817379+00'),
	(61, '01a214e7-eb0b-7254-9ed5-4781c0e0802e', 'hold', 1, '01a214e7-ee5f-7090-b429-45c1948c45b1', NULL, '2026-11-25 22:51:13.890697+00'),
	(62, '01a214e7-eb0b-7254-9ed5-4781c0e0802e', 'capture', 1, '01a214e7-ee5f-7090-b429-45c1948c45b1', NULL, '2026-11-25 22:51:13.986656+00'),
	(63, '01a214e7-eb0b-7254-9ed5-4781c0e0802e', 'hold', 1, '01a214e7-ef2b-73db-bec0-c5338d0f2f34', NULL, '2026-11-25 22:51:14.091201+00'),
	(64, '01a214e7-eb0b-7254-9ed5-4781c0e0802e', 'capture', 1, '01a214e7-ef2b-73db-bec0-c5338d0f2f34', NULL, '2026-11-25 22:51:14.098633+00'),
	(65, '01a214e7-eb0b-7254-9ed5-4781c0e0802e', 'hold', 1, '01a214e7-ef6f-7066-a4c4-69e0a04947d4', NULL, '2026-11-25 22:51:14.159421+00'),
	(66, '01a214e7-ea87-7308-bedd-d7974087e30f', 'hold', 1, '01a214e7-efa6-72eb-94af-a712a34da8de', NULL, '2026-11-25 22:51:14.215151+00'),
	(67, '01a214e7-ea87-7308-bedd-d7974087e30f', 'hold', 1, '01a214e7-efa7-73b1-ad1f-8c0502069620', NULL, '2026-11-25 22:51:14.215151+00');

INSERT INTO public.users (id, username, username_key, password_hash, is_admin, is_demo, balance, created_at) VALUES
	('01a214e7-e991-739e-92f1-8b7ca7bc69eb', 'test', 'test', '$argon2id$v=19$m=19456,t=2,p=1$d2WYxD7M77XjZ9HDuqFF+A$bsHcMkHAyp8cOgrgAEmrwQIZKNCHAqcq9z1SUvi3E3I', false, true, 100, '2026-11-25 22:51:12.657473+00'),
	('01a214e7-eb3a-71fe-8788-6230dcea9d48', 'telegram_8', 'telegram_8', NULL, false, false, 0, '2026-11-25 22:51:12.70379+00'),
	('01a214e7-ea36-7281-a7c0-6df9d1d6993d', 'anna', 'anna', '$argon2id$v=19$m=19456,t=2,p=1$UjXabjL3PhCYX5nV+2Nn5A$IFgrEf5z+QXoNLtcD1AlFIDJeGw1nT/j5oyqNefi6PU', false, false, 86, '2026-11-25 22:51:12.70379+00'),
	('01a214e7-eb0b-7254-9ed5-4781c0e0802e', 'telegram_7', 'telegram_7', NULL, false, false, 97, '2026-11-25 22:51:12.70379+00'),
	('01a214e7-ea87-7308-bedd-d7974087e30f', 'boris', 'boris', '$argon2id$v=19$m=19456,t=2,p=1$UjXabjL3PhCYX5nV+2Nn5A$IFgrEf5z+QXoNLtcD1AlFIDJeGw1nT/j5oyqNefi6PU', false, false, 164, '2026-11-25 22:51:12.70379+00');

INSERT INTO public.workers (id, number, host, pid, pools, models, state, started_at, heartbeat_at, lease_until, stopped_at) VALUES
	('worker-1-old', 1, 'old-host', 1, '{default}', '{echo}', 'ready', '2026-11-25 22:51:12.70379+00', '2026-11-25 22:51:12.70379+00', '2026-11-25 22:51:32.70379+00', NULL);

SELECT pg_catalog.setval('public.consumer_numbers', 1, false);

SELECT pg_catalog.setval('public.queue_messages_id_seq', 1, false);

SELECT pg_catalog.setval('public.transactions_id_seq', 67, true);

SELECT pg_catalog.setval('public.worker_numbers', 1, false);

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);

ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (user_id, key);

ALTER TABLE ONLY public.models
    ADD CONSTRAINT models_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (prediction_id);

ALTER TABLE ONLY public.predictions
    ADD CONSTRAINT predictions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.queue_messages
    ADD CONSTRAINT queue_messages_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.rate_limits
    ADD CONSTRAINT rate_limits_pkey PRIMARY KEY (key);

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.telegram_alerts
    ADD CONSTRAINT telegram_alerts_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.telegram_bots
    ADD CONSTRAINT telegram_bots_pkey PRIMARY KEY (bot_id);

ALTER TABLE ONLY public.telegram_chats
    ADD CONSTRAINT telegram_chats_own_user_id_key UNIQUE (own_user_id);

ALTER TABLE ONLY public.telegram_chats
    ADD CONSTRAINT telegram_chats_pkey PRIMARY KEY (chat_id);

ALTER TABLE ONLY public.telegram_link_codes
    ADD CONSTRAINT telegram_link_codes_pkey PRIMARY KEY (code_hash);

ALTER TABLE ONLY public.telegram_notifications
    ADD CONSTRAINT telegram_notifications_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.telegram_updates
    ADD CONSTRAINT telegram_updates_pkey PRIMARY KEY (bot_id, update_id);

ALTER TABLE ONLY public.transactions
    ADD CONSTRAINT transactions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_username_key_key UNIQUE (username_key);

ALTER TABLE ONLY public.workers
    ADD CONSTRAINT workers_number_key UNIQUE (number);

ALTER TABLE ONLY public.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (id);

CREATE INDEX idempotency_keys_age ON public.idempotency_keys USING btree (created_at);

CREATE INDEX outbox_bulk ON public.outbox USING btree (pool, user_id, prediction_id) WHERE bulk;

CREATE INDEX predictions_deadline ON public.predictions USING btree (deadline_at) WHERE ((finished_at IS NULL) AND (deadline_at IS NOT NULL));

CREATE INDEX predictions_of_batch ON public.predictions USING btree (batch_id) WHERE (batch_id IS NOT NULL);

CREATE INDEX predictions_of_user ON public.predictions USING btree (user_id, id);

CREATE INDEX predictions_open ON public.predictions USING btree (user_id, batch_id, id) INCLUDE (cost) WHERE (finished_at IS NULL);

CREATE INDEX queue_messages_leased ON public.queue_messages USING btree (consumer) WHERE (consumer IS NOT NULL);

CREATE INDEX queue_messages_ready ON public.queue_messages USING btree (queue, id) WHERE (consumer IS NULL);

CREATE INDEX sessions_expiry ON public.sessions USING btree (expires_at);

CREATE INDEX sessions_of_user ON public.sessions USING btree (user_id) WHERE (revoked_at IS NULL);

CREATE INDEX telegram_chats_of_user ON public.telegram_chats USING btree (user_id);

CREATE INDEX telegram_link_codes_of_user ON public.telegram_link_codes USING btree (user_id);

CREATE INDEX telegram_notifications_age ON public.telegram_notifications USING btree (created_at);

CREATE INDEX telegram_notifications_owed ON public.telegram_notifications USING btree (chat_id, id) WHERE (notified_at IS NULL);

CREATE INDEX telegram_updates_age ON public.telegram_updates USING btree (handled_at) WHERE (handled_at IS NOT NULL);

CREATE INDEX telegram_updates_waiting ON public.telegram_updates USING btree (chat_id, update_id) WHERE (handled_at IS NULL);

CREATE UNIQUE INDEX transactions_of_prediction ON public.transactions USING btree (prediction_id, ((kind = 'hold'::text))) WHERE (prediction_id IS NOT NULL);

CREATE INDEX transactions_of_user ON public.transactions USING btree (user_id, id);

CREATE TRIGGER predictions_terminal_never_changes AFTER UPDATE ON public.predictions FOR EACH ROW WHEN ((old.finished_at IS NOT NULL)) EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER transactions_never_change BEFORE DELETE OR UPDATE OR TRUNCATE ON public.transactions FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);

ALTER TABLE ONLY public.predictions
    ADD CONSTRAINT predictions_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);

ALTER TABLE ONLY public.telegram_chats
    ADD CONSTRAINT telegram_chats_own_user_id_fkey FOREIGN KEY (own_user_id) REFERENCES public.users(id);

ALTER TABLE ONLY public.telegram_chats
    ADD CONSTRAINT telegram_chats_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);

ALTER TABLE ONLY public.telegram_link_codes
    ADD CONSTRAINT telegram_link_codes_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);

ALTER TABLE ONLY public.telegram_notifications
    ADD CONSTRAINT telegram_notifications_chat_id_fkey FOREIGN KEY (chat_id) REFERENCES public.telegram_chats(chat_id);

GRANT USAGE ON SCHEMA public TO ml_service_app;
GRANT USAGE ON SCHEMA public TO ml_service_worker;
GRANT USAGE ON SCHEMA public TO ml_service_bot;

GRANT USAGE ON SEQUENCE public.consumer_numbers TO ml_service_app;
GRANT USAGE ON SEQUENCE public.consumer_numbers TO ml_service_worker;
GRANT USAGE ON SEQUENCE public.consumer_numbers TO ml_service_bot;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.idempotency_keys TO ml_service_app;
GRANT SELECT,INSERT ON TABLE public.idempotency_keys TO ml_service_bot;

GRANT SELECT,INSERT,UPDATE ON TABLE public.models TO ml_service_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.models TO ml_service_worker;
GRANT SELECT ON TABLE public.models TO ml_service_bot;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.outbox TO ml_service_app;
GRANT SELECT,INSERT,DELETE ON TABLE public.outbox TO ml_service_bot;

GRANT SELECT,INSERT,UPDATE ON TABLE public.predictions TO ml_service_app;
GRANT SELECT,UPDATE ON TABLE public.predictions TO ml_service_worker;
GRANT SELECT,INSERT,UPDATE ON TABLE public.predictions TO ml_service_bot;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.queue_messages TO ml_service_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.queue_messages TO ml_service_worker;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.queue_messages TO ml_service_bot;

GRANT USAGE ON SEQUENCE public.queue_messages_id_seq TO ml_service_app;
GRANT USAGE ON SEQUENCE public.queue_messages_id_seq TO ml_service_worker;
GRANT USAGE ON SEQUENCE public.queue_messages_id_seq TO ml_service_bot;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.rate_limits TO ml_service_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.rate_limits TO ml_service_bot;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.sessions TO ml_service_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.telegram_alerts TO ml_service_bot;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.telegram_bots TO ml_service_bot;
GRANT SELECT ON TABLE public.telegram_bots TO ml_service_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.telegram_chats TO ml_service_bot;

GRANT SELECT,DELETE,UPDATE ON TABLE public.telegram_link_codes TO ml_service_bot;
GRANT SELECT,INSERT,DELETE ON TABLE public.telegram_link_codes TO ml_service_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.telegram_notifications TO ml_service_bot;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.telegram_updates TO ml_service_bot;

GRANT SELECT,INSERT ON TABLE public.transactions TO ml_service_app;
GRANT SELECT,INSERT ON TABLE public.transactions TO ml_service_worker;
GRANT SELECT,INSERT ON TABLE public.transactions TO ml_service_bot;

GRANT USAGE ON SEQUENCE public.transactions_id_seq TO ml_service_app;
GRANT USAGE ON SEQUENCE public.transactions_id_seq TO ml_service_worker;
GRANT USAGE ON SEQUENCE public.transactions_id_seq TO ml_service_bot;

GRANT SELECT,INSERT,UPDATE ON TABLE public.users TO ml_service_app;

GRANT SELECT(id) ON TABLE public.users TO ml_service_worker;
GRANT SELECT(id),INSERT(id) ON TABLE public.users TO ml_service_bot;

GRANT SELECT(username),INSERT(username) ON TABLE public.users TO ml_service_bot;

GRANT SELECT(username_key),INSERT(username_key) ON TABLE public.users TO ml_service_bot;

GRANT SELECT(is_admin) ON TABLE public.users TO ml_service_bot;

GRANT SELECT(is_demo) ON TABLE public.users TO ml_service_bot;

GRANT SELECT(balance),UPDATE(balance) ON TABLE public.users TO ml_service_worker;
GRANT SELECT(balance),UPDATE(balance) ON TABLE public.users TO ml_service_bot;

GRANT SELECT(created_at) ON TABLE public.users TO ml_service_bot;

GRANT USAGE ON SEQUENCE public.worker_numbers TO ml_service_app;
GRANT USAGE ON SEQUENCE public.worker_numbers TO ml_service_worker;
GRANT USAGE ON SEQUENCE public.worker_numbers TO ml_service_bot;

GRANT SELECT,DELETE,UPDATE ON TABLE public.workers TO ml_service_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.workers TO ml_service_worker;
GRANT SELECT ON TABLE public.workers TO ml_service_bot;

-- A database of the release before the Telegram bot (schema 0001), as pg_dump gave it, with COPY turned into INSERT:
-- 3 users, 32 predictions (6 of them queued when their worker was frozen), 70 transactions, the books right.

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
WITH (fillfactor='80', autovacuum_vacuum_scale_factor='0.01', autovacuum_analyze_scale_factor='0.02');

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
WITH (fillfactor='70');

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

INSERT INTO public.alembic_version (version_num) OVERRIDING SYSTEM VALUE VALUES
    ('0001');

INSERT INTO public.idempotency_keys (user_id, key, fingerprint, prediction_id, batch_id, created_at) OVERRIDING SYSTEM VALUE VALUES
    ('01a20d2e-2dba-7367-a369-8b00b61f9d55', 'key-0', '\x2d94d2969bcc32470bd4340523a8c61c92f7127a56301f4152f39670c21786ff', '01a20d2e-3110-7254-9a35-8354d795c261', NULL, '2026-11-24 10:51:00.753114+00'),
    ('01a20d2e-2dba-7367-a369-8b00b61f9d55', 'key-1', '\x122a7444ce355c17060b56b35df0ed500f564c5881fe6dca80bdb52bb1e2fcf2', '01a20d2e-31af-7216-b3d9-838817d74ec2', NULL, '2026-11-24 10:51:00.911711+00'),
    ('01a20d2e-2dba-7367-a369-8b00b61f9d55', 'key-2', '\xd392e5c0d70a4531b122fb29e99dbce205267bb453818a687818b21cf1aac7a6', '01a20d2e-31d2-719e-b158-43a5c592da62', NULL, '2026-11-24 10:51:00.94758+00'),
    ('01a20d2e-2dba-7367-a369-8b00b61f9d55', 'key-3', '\xc8d66a4d8b77ff1086db5c556057fe1ce0f7588e0f7c2ba0b61f3f706c6e92ff', '01a20d2e-3209-70f7-99cb-1aade3ec7a2a', NULL, '2026-11-24 10:51:01.001227+00'),
    ('01a20d2e-2dba-7367-a369-8b00b61f9d55', 'key-4', '\xa18039721d29b87ab62a589c31e2dd1c6ad66d8f731125316810e38680c757d0', '01a20d2e-322c-735d-8016-cf9d48537d88', NULL, '2026-11-24 10:51:01.054058+00'),
    ('01a20d2e-2dba-7367-a369-8b00b61f9d55', 'key-5', '\x909d654eaf8a2fe308e14f377e8cc41ec9d0330f1a6c1b976d96d748d2f618e7', '01a20d2e-3257-730b-a14e-6fd9c4acb556', NULL, '2026-11-24 10:51:01.079188+00'),
    ('01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'key-0', '\x2d94d2969bcc32470bd4340523a8c61c92f7127a56301f4152f39670c21786ff', '01a20d2e-3278-7215-97e4-921003189dd2', NULL, '2026-11-24 10:51:01.113479+00'),
    ('01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'key-1', '\x122a7444ce355c17060b56b35df0ed500f564c5881fe6dca80bdb52bb1e2fcf2', '01a20d2e-3299-7042-b413-d4609b0b15ab', NULL, '2026-11-24 10:51:01.14576+00'),
    ('01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'key-2', '\xd392e5c0d70a4531b122fb29e99dbce205267bb453818a687818b21cf1aac7a6', '01a20d2e-32b7-71fb-ac62-47d10ab6b6c1', NULL, '2026-11-24 10:51:01.177877+00'),
    ('01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'key-3', '\xc8d66a4d8b77ff1086db5c556057fe1ce0f7588e0f7c2ba0b61f3f706c6e92ff', '01a20d2e-32c7-7227-88d7-57364c2676b1', NULL, '2026-11-24 10:51:01.191143+00'),
    ('01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'key-4', '\xa18039721d29b87ab62a589c31e2dd1c6ad66d8f731125316810e38680c757d0', '01a20d2e-32d5-71e5-9e92-db5b40842d6c', NULL, '2026-11-24 10:51:01.205769+00'),
    ('01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'key-5', '\x909d654eaf8a2fe308e14f377e8cc41ec9d0330f1a6c1b976d96d748d2f618e7', '01a20d2e-32e4-71cf-990b-8208c0f293bb', NULL, '2026-11-24 10:51:01.220354+00'),
    ('01a20d2e-232b-73d4-aa0b-dce7b892516b', 'key-0', '\x2d94d2969bcc32470bd4340523a8c61c92f7127a56301f4152f39670c21786ff', '01a20d2e-32f1-7054-b792-dce82e859243', NULL, '2026-11-24 10:51:01.233484+00'),
    ('01a20d2e-232b-73d4-aa0b-dce7b892516b', 'key-1', '\x122a7444ce355c17060b56b35df0ed500f564c5881fe6dca80bdb52bb1e2fcf2', '01a20d2e-3307-72ea-a69f-15ba1bc542c2', NULL, '2026-11-24 10:51:01.25526+00'),
    ('01a20d2e-232b-73d4-aa0b-dce7b892516b', 'key-2', '\xd392e5c0d70a4531b122fb29e99dbce205267bb453818a687818b21cf1aac7a6', '01a20d2e-331a-71d5-9c82-3f416fcb8b9e', NULL, '2026-11-24 10:51:01.274685+00'),
    ('01a20d2e-232b-73d4-aa0b-dce7b892516b', 'key-3', '\xc8d66a4d8b77ff1086db5c556057fe1ce0f7588e0f7c2ba0b61f3f706c6e92ff', '01a20d2e-3332-709b-8513-641734a4ffe5', NULL, '2026-11-24 10:51:01.298219+00'),
    ('01a20d2e-232b-73d4-aa0b-dce7b892516b', 'key-4', '\xa18039721d29b87ab62a589c31e2dd1c6ad66d8f731125316810e38680c757d0', '01a20d2e-333c-7095-8cca-bd0265ae133b', NULL, '2026-11-24 10:51:01.309116+00'),
    ('01a20d2e-232b-73d4-aa0b-dce7b892516b', 'key-5', '\x909d654eaf8a2fe308e14f377e8cc41ec9d0330f1a6c1b976d96d748d2f618e7', '01a20d2e-3349-708b-9dc3-b5661c5e18df', NULL, '2026-11-24 10:51:01.321259+00');

INSERT INTO public.models (name, version, spec, price_credits, price_credits_set, announced_at) OVERRIDING SYSTEM VALUE VALUES
    ('echo', '1', '{"name":"echo","version":"1","description":"Returns its input unchanged. For benchmarks and tests: it measures the service itself.","price_credits":1,"input_schema":{"type":"object","properties":{"text":{"type":"string","description":"Comes back as it is."}},"required":["text"]},"output_schema":{"type":"object","properties":{"text":{"type":"string","description":"Comes back as it is."}},"required":["text"]},"batch_size":64,"timeout_s":30.0,"pool":"default","examples":[{"text":"hello"}]}', '1', NULL, '2026-11-24 10:50:56.095278+00'),
    ('sentiment', '1.0.0', '{"name":"sentiment","version":"1.0.0","description":"Says whether a Russian or English text is positive, neutral or negative, and how sure it is. Made for reviews, comments and messages of one to a few sentences. Neutral also stands for: cannot tell. Sarcasm and double negation («Не плохо») mislead it.","price_credits":1,"input_schema":{"type":"object","properties":{"text":{"type":"string","minLength":1,"maxLength":5000,"description":"The text, in Russian or English; the first 600 characters weigh most."}},"required":["text"],"additionalProperties":false},"output_schema":{"type":"object","properties":{"label":{"enum":["positive","neutral","negative"],"description":"The most probable of the three."},"confidence":{"type":"number","minimum":0,"maximum":1,"description":"The label''s own score."},"scores":{"type":"object","properties":{"positive":{"type":"number","minimum":0,"maximum":1},"neutral":{"type":"number","minimum":0,"maximum":1},"negative":{"type":"number","minimum":0,"maximum":1}},"required":["positive","neutral","negative"],"additionalProperties":false,"description":"A probability for each label; they sum to 1."}},"required":["label","confidence","scores"],"additionalProperties":false},"batch_size":64,"timeout_s":30.0,"pool":"default","examples":[{"text":"Доставили вовремя, всё отлично!"},{"text":"Terrible, broke after a day"},{"text":"The parcel arrives on Tuesday"}]}', '1', NULL, '2026-11-24 10:50:58.949524+00');

INSERT INTO public.predictions (id, user_id, model, version, status, source, cost, attempts, batch_id, worker_id, predict_ms, created_at, deadline_at, started_at, finished_at, error_code, error_message, input, output) OVERRIDING SYSTEM VALUE VALUES
    ('01a20d2e-3110-7254-9a35-8354d795c261', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'sentiment', '1.0.0', 'succeeded', 'api', '1', '1', NULL, 'worker-1-a373a1d6', '50.686817', '2026-11-24 10:51:00.753114+00', NULL, '2026-11-24 10:51:00.803929+00', '2026-11-24 10:51:00.866797+00', NULL, NULL, '{"text":"Отличный сервис 0"}', '{"label":"positive","confidence":0.6619,"scores":{"positive":0.6619,"neutral":0.2966,"negative":0.0416}}'),
    ('01a20d2e-31af-7216-b3d9-838817d74ec2', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'sentiment', '1.0.0', 'succeeded', 'api', '1', '1', NULL, 'worker-1-a373a1d6', '3.344596', '2026-11-24 10:51:00.911711+00', NULL, '2026-11-24 10:51:00.91652+00', '2026-11-24 10:51:00.933826+00', NULL, NULL, '{"text":"Отличный сервис 1"}', '{"label":"positive","confidence":0.8287,"scores":{"positive":0.8287,"neutral":0.1541,"negative":0.0172}}'),
    ('01a20d2e-32d5-71e5-9e92-db5b40842d6c', '01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'sentiment', '1.0.0', 'succeeded', 'api', '1', '1', NULL, 'worker-1-a373a1d6', '2.494179', '2026-11-24 10:51:01.205769+00', NULL, '2026-11-24 10:51:01.210553+00', '2026-11-24 10:51:01.216378+00', NULL, NULL, '{"text":"Отличный сервис 4"}', '{"label":"positive","confidence":0.7624,"scores":{"positive":0.7624,"neutral":0.2119,"negative":0.0258}}'),
    ('01a20d2e-31d2-719e-b158-43a5c592da62', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'sentiment', '1.0.0', 'succeeded', 'api', '1', '1', NULL, 'worker-1-a373a1d6', '7.568714', '2026-11-24 10:51:00.94758+00', NULL, '2026-11-24 10:51:00.955309+00', '2026-11-24 10:51:00.970576+00', NULL, NULL, '{"text":"Отличный сервис 2"}', '{"label":"positive","confidence":0.7805,"scores":{"positive":0.7805,"neutral":0.1962,"negative":0.0233}}'),
    ('01a20d2e-3209-70f7-99cb-1aade3ec7a2a', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'sentiment', '1.0.0', 'succeeded', 'api', '1', '1', NULL, 'worker-1-a373a1d6', '11.015427', '2026-11-24 10:51:01.001227+00', NULL, '2026-11-24 10:51:01.005035+00', '2026-11-24 10:51:01.024608+00', NULL, NULL, '{"text":"Отличный сервис 3"}', '{"label":"positive","confidence":0.8338,"scores":{"positive":0.8338,"neutral":0.1496,"negative":0.0166}}'),
    ('01a20d2e-3349-708b-9dc3-b5661c5e18df', '01a20d2e-232b-73d4-aa0b-dce7b892516b', 'sentiment', '1.0.0', 'succeeded', 'api', '1', '1', NULL, 'worker-1-a373a1d6', '7.136197', '2026-11-24 10:51:01.321259+00', NULL, '2026-11-24 10:51:01.323396+00', '2026-11-24 10:51:01.331154+00', NULL, NULL, '{"text":"Отличный сервис 5"}', '{"label":"positive","confidence":0.7357,"scores":{"positive":0.7357,"neutral":0.2347,"negative":0.0296}}'),
    ('01a20d2e-322c-735d-8016-cf9d48537d88', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'sentiment', '1.0.0', 'succeeded', 'api', '1', '1', NULL, 'worker-1-a373a1d6', '3.199566', '2026-11-24 10:51:01.054058+00', NULL, '2026-11-24 10:51:01.06337+00', '2026-11-24 10:51:01.06849+00', NULL, NULL, '{"text":"Отличный сервис 4"}', '{"label":"positive","confidence":0.7624,"scores":{"positive":0.7624,"neutral":0.2119,"negative":0.0258}}'),
    ('01a20d2e-32e4-71cf-990b-8208c0f293bb', '01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'sentiment', '1.0.0', 'succeeded', 'api', '1', '1', NULL, 'worker-1-a373a1d6', '2.242726', '2026-11-24 10:51:01.220354+00', NULL, '2026-11-24 10:51:01.223889+00', '2026-11-24 10:51:01.226786+00', NULL, NULL, '{"text":"Отличный сервис 5"}', '{"label":"positive","confidence":0.7357,"scores":{"positive":0.7357,"neutral":0.2347,"negative":0.0296}}'),
    ('01a20d2e-3257-730b-a14e-6fd9c4acb556', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'sentiment', '1.0.0', 'succeeded', 'api', '1', '1', NULL, 'worker-1-a373a1d6', '7.034313', '2026-11-24 10:51:01.079188+00', NULL, '2026-11-24 10:51:01.082819+00', '2026-11-24 10:51:01.091103+00', NULL, NULL, '{"text":"Отличный сервис 5"}', '{"label":"positive","confidence":0.7357,"scores":{"positive":0.7357,"neutral":0.2347,"negative":0.0296}}'),
    ('01a20d2e-3278-7215-97e4-921003189dd2', '01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'sentiment', '1.0.0', 'succeeded', 'api', '1', '1', NULL, 'worker-1-a373a1d6', '6.515518', '2026-11-24 10:51:01.113479+00', NULL, '2026-11-24 10:51:01.131387+00', '2026-11-24 10:51:01.13915+00', NULL, NULL, '{"text":"Отличный сервис 0"}', '{"label":"positive","confidence":0.6619,"scores":{"positive":0.6619,"neutral":0.2966,"negative":0.0416}}'),
    ('01a20d2e-3332-709b-8513-641734a4ffe5', '01a20d2e-232b-73d4-aa0b-dce7b892516b', 'sentiment', '1.0.0', 'succeeded', 'api', '1', '1', NULL, 'worker-1-a373a1d6', '2.9981', '2026-11-24 10:51:01.298219+00', NULL, '2026-11-24 10:51:01.301325+00', '2026-11-24 10:51:01.305463+00', NULL, NULL, '{"text":"Отличный сервис 3"}', '{"label":"positive","confidence":0.8338,"scores":{"positive":0.8338,"neutral":0.1496,"negative":0.0166}}'),
    ('01a20d2e-3299-7042-b413-d4609b0b15ab', '01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'sentiment', '1.0.0', 'succeeded', 'api', '1', '1', NULL, 'worker-1-a373a1d6', '3.842876', '2026-11-24 10:51:01.14576+00', NULL, '2026-11-24 10:51:01.156009+00', '2026-11-24 10:51:01.160756+00', NULL, NULL, '{"text":"Отличный сервис 1"}', '{"label":"positive","confidence":0.8287,"scores":{"positive":0.8287,"neutral":0.1541,"negative":0.0172}}'),
    ('01a20d2e-32f1-7054-b792-dce82e859243', '01a20d2e-232b-73d4-aa0b-dce7b892516b', 'sentiment', '1.0.0', 'succeeded', 'api', '1', '1', NULL, 'worker-1-a373a1d6', '2.806388', '2026-11-24 10:51:01.233484+00', NULL, '2026-11-24 10:51:01.237649+00', '2026-11-24 10:51:01.241336+00', NULL, NULL, '{"text":"Отличный сервис 0"}', '{"label":"positive","confidence":0.6619,"scores":{"positive":0.6619,"neutral":0.2966,"negative":0.0416}}'),
    ('01a20d2e-32b7-71fb-ac62-47d10ab6b6c1', '01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'sentiment', '1.0.0', 'succeeded', 'api', '1', '1', NULL, 'worker-1-a373a1d6', '3.085473', '2026-11-24 10:51:01.177877+00', NULL, '2026-11-24 10:51:01.182943+00', '2026-11-24 10:51:01.186888+00', NULL, NULL, '{"text":"Отличный сервис 2"}', '{"label":"positive","confidence":0.7805,"scores":{"positive":0.7805,"neutral":0.1962,"negative":0.0233}}'),
    ('01a20d2e-32c7-7227-88d7-57364c2676b1', '01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'sentiment', '1.0.0', 'succeeded', 'api', '1', '1', NULL, 'worker-1-a373a1d6', '2.874743', '2026-11-24 10:51:01.191143+00', NULL, '2026-11-24 10:51:01.196857+00', '2026-11-24 10:51:01.201525+00', NULL, NULL, '{"text":"Отличный сервис 3"}', '{"label":"positive","confidence":0.8338,"scores":{"positive":0.8338,"neutral":0.1496,"negative":0.0166}}'),
    ('01a20d2e-3307-72ea-a69f-15ba1bc542c2', '01a20d2e-232b-73d4-aa0b-dce7b892516b', 'sentiment', '1.0.0', 'succeeded', 'api', '1', '1', NULL, 'worker-1-a373a1d6', '2.336435', '2026-11-24 10:51:01.25526+00', NULL, '2026-11-24 10:51:01.260516+00', '2026-11-24 10:51:01.265483+00', NULL, NULL, '{"text":"Отличный сервис 1"}', '{"label":"positive","confidence":0.8287,"scores":{"positive":0.8287,"neutral":0.1541,"negative":0.0172}}'),
    ('01a20d2e-331a-71d5-9c82-3f416fcb8b9e', '01a20d2e-232b-73d4-aa0b-dce7b892516b', 'sentiment', '1.0.0', 'succeeded', 'api', '1', '1', NULL, 'worker-1-a373a1d6', '2.628578', '2026-11-24 10:51:01.274685+00', NULL, '2026-11-24 10:51:01.279838+00', '2026-11-24 10:51:01.289679+00', NULL, NULL, '{"text":"Отличный сервис 2"}', '{"label":"positive","confidence":0.7805,"scores":{"positive":0.7805,"neutral":0.1962,"negative":0.0233}}'),
    ('01a20d2e-333c-7095-8cca-bd0265ae133b', '01a20d2e-232b-73d4-aa0b-dce7b892516b', 'sentiment', '1.0.0', 'succeeded', 'api', '1', '1', NULL, 'worker-1-a373a1d6', '2.259722', '2026-11-24 10:51:01.309116+00', NULL, '2026-11-24 10:51:01.314243+00', '2026-11-24 10:51:01.317344+00', NULL, NULL, '{"text":"Отличный сервис 4"}', '{"label":"positive","confidence":0.7624,"scores":{"positive":0.7624,"neutral":0.2119,"negative":0.0258}}'),
    ('01a20d2e-3357-70aa-acd9-343a8af7c64e', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'echo', '1', 'succeeded', 'api', '1', '1', '01a20d2e-3357-70b4-a0a2-611fb1ae84d4', 'worker-1-a373a1d6', '0.140084', '2026-11-24 10:51:01.336008+00', NULL, '2026-11-24 10:51:01.40627+00', '2026-11-24 10:51:01.410871+00', NULL, NULL, '{"text":"item 0"}', '{"text":"item 0"}'),
    ('01a20d2e-3357-70ab-bed3-79e8fa1ba00e', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'echo', '1', 'succeeded', 'api', '1', '1', '01a20d2e-3357-70b4-a0a2-611fb1ae84d4', 'worker-1-a373a1d6', '0.140084', '2026-11-24 10:51:01.336008+00', NULL, '2026-11-24 10:51:01.40627+00', '2026-11-24 10:51:01.410871+00', NULL, NULL, '{"text":"item 1"}', '{"text":"item 1"}'),
    ('01a20d2e-3357-70ac-b9ed-8adc64a63e51', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'echo', '1', 'succeeded', 'api', '1', '1', '01a20d2e-3357-70b4-a0a2-611fb1ae84d4', 'worker-1-a373a1d6', '0.140084', '2026-11-24 10:51:01.336008+00', NULL, '2026-11-24 10:51:01.40627+00', '2026-11-24 10:51:01.410871+00', NULL, NULL, '{"text":"item 2"}', '{"text":"item 2"}'),
    ('01a20d2e-3357-70ad-b4e6-d8aa411a2f52', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'echo', '1', 'succeeded', 'api', '1', '1', '01a20d2e-3357-70b4-a0a2-611fb1ae84d4', 'worker-1-a373a1d6', '0.140084', '2026-11-24 10:51:01.336008+00', NULL, '2026-11-24 10:51:01.40627+00', '2026-11-24 10:51:01.410871+00', NULL, NULL, '{"text":"item 3"}', '{"text":"item 3"}'),
    ('01a20d2e-3357-70ae-8a57-4e7d0c745165', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'echo', '1', 'succeeded', 'api', '1', '1', '01a20d2e-3357-70b4-a0a2-611fb1ae84d4', 'worker-1-a373a1d6', '0.140084', '2026-11-24 10:51:01.336008+00', NULL, '2026-11-24 10:51:01.40627+00', '2026-11-24 10:51:01.410871+00', NULL, NULL, '{"text":"item 4"}', '{"text":"item 4"}'),
    ('01a20d2e-3357-70af-bd4b-042bfa73e9da', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'echo', '1', 'succeeded', 'api', '1', '1', '01a20d2e-3357-70b4-a0a2-611fb1ae84d4', 'worker-1-a373a1d6', '0.140084', '2026-11-24 10:51:01.336008+00', NULL, '2026-11-24 10:51:01.40627+00', '2026-11-24 10:51:01.410871+00', NULL, NULL, '{"text":"item 5"}', '{"text":"item 5"}'),
    ('01a20d2e-3357-70b0-9a64-512d14dc2c28', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'echo', '1', 'succeeded', 'api', '1', '1', '01a20d2e-3357-70b4-a0a2-611fb1ae84d4', 'worker-1-a373a1d6', '0.140084', '2026-11-24 10:51:01.336008+00', NULL, '2026-11-24 10:51:01.40627+00', '2026-11-24 10:51:01.410871+00', NULL, NULL, '{"text":"item 6"}', '{"text":"item 6"}'),
    ('01a20d2e-3357-70b1-a1ad-27804163ebf2', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'echo', '1', 'succeeded', 'api', '1', '1', '01a20d2e-3357-70b4-a0a2-611fb1ae84d4', 'worker-1-a373a1d6', '0.140084', '2026-11-24 10:51:01.336008+00', NULL, '2026-11-24 10:51:01.40627+00', '2026-11-24 10:51:01.410871+00', NULL, NULL, '{"text":"item 7"}', '{"text":"item 7"}'),
    ('01a20d2e-3357-70b2-987d-f0626dce82ce', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'echo', '1', 'succeeded', 'api', '1', '1', '01a20d2e-3357-70b4-a0a2-611fb1ae84d4', 'worker-1-a373a1d6', '0.140084', '2026-11-24 10:51:01.336008+00', NULL, '2026-11-24 10:51:01.40627+00', '2026-11-24 10:51:01.410871+00', NULL, NULL, '{"text":"item 8"}', '{"text":"item 8"}'),
    ('01a20d2e-3357-70b3-bb91-4f5177c95920', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'echo', '1', 'succeeded', 'api', '1', '1', '01a20d2e-3357-70b4-a0a2-611fb1ae84d4', 'worker-1-a373a1d6', '0.140084', '2026-11-24 10:51:01.336008+00', NULL, '2026-11-24 10:51:01.40627+00', '2026-11-24 10:51:01.410871+00', NULL, NULL, '{"text":"item 9"}', '{"text":"item 9"}'),
    ('01a20d2e-451a-723e-8bbd-e6b089000f36', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'echo', '1', 'queued', 'api', '1', '0', NULL, NULL, NULL, '2026-11-24 10:51:05.88239+00', NULL, NULL, NULL, NULL, NULL, '{"text":"open 0"}', NULL),
    ('01a20d2e-4520-7367-a198-c582d6807b3b', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'echo', '1', 'queued', 'api', '1', '0', NULL, NULL, NULL, '2026-11-24 10:51:05.888332+00', NULL, NULL, NULL, NULL, NULL, '{"text":"open 1"}', NULL),
    ('01a20d2e-452c-7267-97a3-6ce7d4161148', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'echo', '1', 'queued', 'api', '1', '0', NULL, NULL, NULL, '2026-11-24 10:51:05.90072+00', NULL, NULL, NULL, NULL, NULL, '{"text":"open 2"}', NULL),
    ('01a20d2e-455f-71e5-9b8a-91b8a02dce99', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'sentiment', '1.0.0', 'canceled', 'api', '1', '0', NULL, NULL, NULL, '2026-11-24 10:51:05.951972+00', NULL, NULL, '2026-11-24 10:51:05.958569+00', 'canceled', 'The prediction was canceled by its user.', '{"text":"to be canceled"}', NULL),
    ('01a20d2e-4570-716c-8458-f3f320412fd1', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'sentiment', '1.0.0', 'expired', 'api', '1', '0', NULL, NULL, NULL, '2026-11-24 10:51:05.969464+00', '2026-11-24 10:51:06.969464+00', NULL, '2026-11-24 10:51:07.401297+00', 'deadline_exceeded', 'No worker was free before the deadline.', '{"text":"expires"}', NULL),
    ('01a20d2e-4536-71e4-895c-b7f24f29cff1', '01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'echo', '1', 'queued', 'api', '1', '0', NULL, NULL, NULL, '2026-11-24 10:51:05.912488+00', NULL, NULL, NULL, NULL, NULL, '{"text":"open 0"}', NULL),
    ('01a20d2e-4543-70cc-83a6-ea2d3c111abf', '01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'echo', '1', 'queued', 'api', '1', '0', NULL, NULL, NULL, '2026-11-24 10:51:05.923335+00', NULL, NULL, NULL, NULL, NULL, '{"text":"open 1"}', NULL),
    ('01a20d2e-4551-7135-b023-8615763a7ce1', '01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'echo', '1', 'queued', 'api', '1', '0', NULL, NULL, NULL, '2026-11-24 10:51:05.937644+00', NULL, NULL, NULL, NULL, NULL, '{"text":"open 2"}', NULL);

INSERT INTO public.queue_messages (id, queue, body, reason, enqueued_at, visible_at, deliveries, consumer, leased_until) OVERRIDING SYSTEM VALUE VALUES
    ('1', 'ml_tasks.created', 'queue_messages is in use', NULL, '2026-11-24 10:50:57.306266+00', '2026-11-24 10:50:57.306266+00', '1', NULL, NULL),
    ('3', 'ml_results', '{"v":1,"results":[{"id":"01a20d2e-3110-7254-9a35-8354d795c261","user_id":"01a20d2e-2dba-7367-a369-8b00b61f9d55","status":"succeeded"}]}', NULL, '2026-11-24 10:51:00.877199+00', '2026-11-24 10:51:00.877199+00', '0', NULL, NULL),
    ('5', 'ml_results', '{"v":1,"results":[{"id":"01a20d2e-31af-7216-b3d9-838817d74ec2","user_id":"01a20d2e-2dba-7367-a369-8b00b61f9d55","status":"succeeded"}]}', NULL, '2026-11-24 10:51:00.939126+00', '2026-11-24 10:51:00.939126+00', '0', NULL, NULL),
    ('7', 'ml_results', '{"v":1,"results":[{"id":"01a20d2e-31d2-719e-b158-43a5c592da62","user_id":"01a20d2e-2dba-7367-a369-8b00b61f9d55","status":"succeeded"}]}', NULL, '2026-11-24 10:51:00.973972+00', '2026-11-24 10:51:00.973972+00', '0', NULL, NULL),
    ('9', 'ml_results', '{"v":1,"results":[{"id":"01a20d2e-3209-70f7-99cb-1aade3ec7a2a","user_id":"01a20d2e-2dba-7367-a369-8b00b61f9d55","status":"succeeded"}]}', NULL, '2026-11-24 10:51:01.027846+00', '2026-11-24 10:51:01.027846+00', '0', NULL, NULL),
    ('11', 'ml_results', '{"v":1,"results":[{"id":"01a20d2e-322c-735d-8016-cf9d48537d88","user_id":"01a20d2e-2dba-7367-a369-8b00b61f9d55","status":"succeeded"}]}', NULL, '2026-11-24 10:51:01.073751+00', '2026-11-24 10:51:01.073751+00', '0', NULL, NULL),
    ('13', 'ml_results', '{"v":1,"results":[{"id":"01a20d2e-3257-730b-a14e-6fd9c4acb556","user_id":"01a20d2e-2dba-7367-a369-8b00b61f9d55","status":"succeeded"}]}', NULL, '2026-11-24 10:51:01.092851+00', '2026-11-24 10:51:01.092851+00', '0', NULL, NULL),
    ('15', 'ml_results', '{"v":1,"results":[{"id":"01a20d2e-3278-7215-97e4-921003189dd2","user_id":"01a20d2e-2e41-73b8-8c96-2a6d29bfd366","status":"succeeded"}]}', NULL, '2026-11-24 10:51:01.140966+00', '2026-11-24 10:51:01.140966+00', '0', NULL, NULL),
    ('17', 'ml_results', '{"v":1,"results":[{"id":"01a20d2e-3299-7042-b413-d4609b0b15ab","user_id":"01a20d2e-2e41-73b8-8c96-2a6d29bfd366","status":"succeeded"}]}', NULL, '2026-11-24 10:51:01.162525+00', '2026-11-24 10:51:01.162525+00', '0', NULL, NULL),
    ('19', 'ml_results', '{"v":1,"results":[{"id":"01a20d2e-32b7-71fb-ac62-47d10ab6b6c1","user_id":"01a20d2e-2e41-73b8-8c96-2a6d29bfd366","status":"succeeded"}]}', NULL, '2026-11-24 10:51:01.187742+00', '2026-11-24 10:51:01.187742+00', '0', NULL, NULL),
    ('21', 'ml_results', '{"v":1,"results":[{"id":"01a20d2e-32c7-7227-88d7-57364c2676b1","user_id":"01a20d2e-2e41-73b8-8c96-2a6d29bfd366","status":"succeeded"}]}', NULL, '2026-11-24 10:51:01.202416+00', '2026-11-24 10:51:01.202416+00', '0', NULL, NULL),
    ('23', 'ml_results', '{"v":1,"results":[{"id":"01a20d2e-32d5-71e5-9e92-db5b40842d6c","user_id":"01a20d2e-2e41-73b8-8c96-2a6d29bfd366","status":"succeeded"}]}', NULL, '2026-11-24 10:51:01.217118+00', '2026-11-24 10:51:01.217118+00', '0', NULL, NULL),
    ('25', 'ml_results', '{"v":1,"results":[{"id":"01a20d2e-32e4-71cf-990b-8208c0f293bb","user_id":"01a20d2e-2e41-73b8-8c96-2a6d29bfd366","status":"succeeded"}]}', NULL, '2026-11-24 10:51:01.227677+00', '2026-11-24 10:51:01.227677+00', '0', NULL, NULL),
    ('27', 'ml_results', '{"v":1,"results":[{"id":"01a20d2e-32f1-7054-b792-dce82e859243","user_id":"01a20d2e-232b-73d4-aa0b-dce7b892516b","status":"succeeded"}]}', NULL, '2026-11-24 10:51:01.245674+00', '2026-11-24 10:51:01.245674+00', '0', NULL, NULL),
    ('29', 'ml_results', '{"v":1,"results":[{"id":"01a20d2e-3307-72ea-a69f-15ba1bc542c2","user_id":"01a20d2e-232b-73d4-aa0b-dce7b892516b","status":"succeeded"}]}', NULL, '2026-11-24 10:51:01.269385+00', '2026-11-24 10:51:01.269385+00', '0', NULL, NULL),
    ('31', 'ml_results', '{"v":1,"results":[{"id":"01a20d2e-331a-71d5-9c82-3f416fcb8b9e","user_id":"01a20d2e-232b-73d4-aa0b-dce7b892516b","status":"succeeded"}]}', NULL, '2026-11-24 10:51:01.290472+00', '2026-11-24 10:51:01.290472+00', '0', NULL, NULL),
    ('33', 'ml_results', '{"v":1,"results":[{"id":"01a20d2e-3332-709b-8513-641734a4ffe5","user_id":"01a20d2e-232b-73d4-aa0b-dce7b892516b","status":"succeeded"}]}', NULL, '2026-11-24 10:51:01.306276+00', '2026-11-24 10:51:01.306276+00', '0', NULL, NULL),
    ('35', 'ml_results', '{"v":1,"results":[{"id":"01a20d2e-333c-7095-8cca-bd0265ae133b","user_id":"01a20d2e-232b-73d4-aa0b-dce7b892516b","status":"succeeded"}]}', NULL, '2026-11-24 10:51:01.318249+00', '2026-11-24 10:51:01.318249+00', '0', NULL, NULL),
    ('37', 'ml_results', '{"v":1,"results":[{"id":"01a20d2e-3349-708b-9dc3-b5661c5e18df","user_id":"01a20d2e-232b-73d4-aa0b-dce7b892516b","status":"succeeded"}]}', NULL, '2026-11-24 10:51:01.332004+00', '2026-11-24 10:51:01.332004+00', '0', NULL, NULL),
    ('40', 'ml_tasks', '{"v":1,"pool":"default","model":"echo","ids":["01a20d2e-451a-723e-8bbd-e6b089000f36"]}', NULL, '2026-11-24 10:51:05.885339+00', '2026-11-24 10:51:05.885339+00', '0', NULL, NULL),
    ('41', 'ml_tasks', '{"v":1,"pool":"default","model":"echo","ids":["01a20d2e-4520-7367-a198-c582d6807b3b"]}', NULL, '2026-11-24 10:51:05.898214+00', '2026-11-24 10:51:05.898214+00', '0', NULL, NULL),
    ('42', 'ml_tasks', '{"v":1,"pool":"default","model":"echo","ids":["01a20d2e-452c-7267-97a3-6ce7d4161148"]}', NULL, '2026-11-24 10:51:05.902945+00', '2026-11-24 10:51:05.902945+00', '0', NULL, NULL),
    ('43', 'ml_tasks', '{"v":1,"pool":"default","model":"echo","ids":["01a20d2e-4536-71e4-895c-b7f24f29cff1"]}', NULL, '2026-11-24 10:51:05.917875+00', '2026-11-24 10:51:05.917875+00', '0', NULL, NULL),
    ('44', 'ml_tasks', '{"v":1,"pool":"default","model":"echo","ids":["01a20d2e-4543-70cc-83a6-ea2d3c111abf"]}', NULL, '2026-11-24 10:51:05.930304+00', '2026-11-24 10:51:05.930304+00', '0', NULL, NULL),
    ('39', 'ml_results', '{"v":1,"results":[{"id":"01a20d2e-3357-70aa-acd9-343a8af7c64e","user_id":"01a20d2e-2dba-7367-a369-8b00b61f9d55","status":"succeeded"},{"id":"01a20d2e-3357-70ab-bed3-79e8fa1ba00e","user_id":"01a20d2e-2dba-7367-a369-8b00b61f9d55","status":"succeeded"},{"id":"01a20d2e-3357-70ac-b9ed-8adc64a63e51","user_id":"01a20d2e-2dba-7367-a369-8b00b61f9d55","status":"succeeded"},{"id":"01a20d2e-3357-70ad-b4e6-d8aa411a2f52","user_id":"01a20d2e-2dba-7367-a369-8b00b61f9d55","status":"succeeded"},{"id":"01a20d2e-3357-70ae-8a57-4e7d0c745165","user_id":"01a20d2e-2dba-7367-a369-8b00b61f9d55","status":"succeeded"},{"id":"01a20d2e-3357-70af-bd4b-042bfa73e9da","user_id":"01a20d2e-2dba-7367-a369-8b00b61f9d55","status":"succeeded"},{"id":"01a20d2e-3357-70b0-9a64-512d14dc2c28","user_id":"01a20d2e-2dba-7367-a369-8b00b61f9d55","status":"succeeded"},{"id":"01a20d2e-3357-70b1-a1ad-27804163ebf2","user_id":"01a20d2e-2dba-7367-a369-8b00b61f9d55","status":"succeeded"},{"id":"01a20d2e-3357-70b2-987d-f0626dce82ce","user_id":"01a20d2e-2dba-7367-a369-8b00b61f9d55","status":"succeeded"},{"id":"01a20d2e-3357-70b3-bb91-4f5177c95920","user_id":"01a20d2e-2dba-7367-a369-8b00b61f9d55","status":"succeeded"}]}', NULL, '2026-11-24 10:51:01.412028+00', '2026-11-24 10:51:01.412028+00', '0', NULL, NULL),
    ('45', 'ml_tasks', '{"v":1,"pool":"default","model":"echo","ids":["01a20d2e-4551-7135-b023-8615763a7ce1"]}', NULL, '2026-11-24 10:51:05.947648+00', '2026-11-24 10:51:05.947648+00', '0', NULL, NULL),
    ('46', 'ml_tasks', '{"v":1,"pool":"default","model":"sentiment","ids":["01a20d2e-455f-71e5-9b8a-91b8a02dce99"]}', NULL, '2026-11-24 10:51:05.955049+00', '2026-11-24 10:51:05.955049+00', '0', NULL, NULL),
    ('47', 'ml_tasks', '{"v":1,"pool":"default","model":"sentiment","ids":["01a20d2e-4570-716c-8458-f3f320412fd1"]}', NULL, '2026-11-24 10:51:05.974947+00', '2026-11-24 10:51:05.974947+00', '0', NULL, NULL),
    ('48', 'ml_results', '{"v":1,"results":[{"id":"01a20d2e-4570-716c-8458-f3f320412fd1","user_id":"01a20d2e-2dba-7367-a369-8b00b61f9d55","status":"expired"}]}', NULL, '2026-11-24 10:51:07.407824+00', '2026-11-24 10:51:07.407824+00', '0', NULL, NULL);

INSERT INTO public.rate_limits (key, count, window_ends_at) OVERRIDING SYSTEM VALUE VALUES
    ('register:127.0.0.1', '2', '2026-11-24 11:50:59.831862+00');

INSERT INTO public.sessions (id, user_id, refresh_hash, created_at, expires_at, revoked_at) OVERRIDING SYSTEM VALUE VALUES
    ('01a20d2e-2f05-70b4-916f-1199431753b6', '01a20d2e-2dba-7367-a369-8b00b61f9d55', '\x183de520729d9b78a551cb31b20a94cdc0dc7694b45e19ecbe6c9f543b64fef2', '2026-11-24 10:51:00.229187+00', '2026-12-24 10:51:00.229187+00', NULL),
    ('01a20d2e-302c-71e0-b0b7-69734d4c47fa', '01a20d2e-2e41-73b8-8c96-2a6d29bfd366', '\xd5b6f2059970e9702ba203503f380d809b1f65da592329d344b4bd2e156f6d1f', '2026-11-24 10:51:00.524078+00', '2026-12-24 10:51:00.524078+00', NULL),
    ('01a20d2e-30cc-71fe-85a4-ae7dd614538f', '01a20d2e-232b-73d4-aa0b-dce7b892516b', '\xd48eb578845944481c95135f97a061085e0c0fcf2c113e1706f6779d75414190', '2026-11-24 10:51:00.684793+00', '2026-12-24 10:51:00.684793+00', NULL);

INSERT INTO public.transactions (id, user_id, kind, amount, prediction_id, reason, created_at) OVERRIDING SYSTEM VALUE VALUES
    ('1', '01a20d2e-232b-73d4-aa0b-dce7b892516b', 'grant', '100', NULL, NULL, '2026-11-24 10:50:57.195651+00'),
    ('2', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'grant', '100', NULL, NULL, '2026-11-24 10:50:59.898017+00'),
    ('3', '01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'grant', '100', NULL, NULL, '2026-11-24 10:51:00.03299+00'),
    ('4', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'hold', '1', '01a20d2e-3110-7254-9a35-8354d795c261', NULL, '2026-11-24 10:51:00.753114+00'),
    ('5', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'capture', '1', '01a20d2e-3110-7254-9a35-8354d795c261', NULL, '2026-11-24 10:51:00.866797+00'),
    ('6', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'hold', '1', '01a20d2e-31af-7216-b3d9-838817d74ec2', NULL, '2026-11-24 10:51:00.911711+00'),
    ('7', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'capture', '1', '01a20d2e-31af-7216-b3d9-838817d74ec2', NULL, '2026-11-24 10:51:00.933826+00'),
    ('8', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'hold', '1', '01a20d2e-31d2-719e-b158-43a5c592da62', NULL, '2026-11-24 10:51:00.94758+00'),
    ('9', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'capture', '1', '01a20d2e-31d2-719e-b158-43a5c592da62', NULL, '2026-11-24 10:51:00.970576+00'),
    ('10', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'hold', '1', '01a20d2e-3209-70f7-99cb-1aade3ec7a2a', NULL, '2026-11-24 10:51:01.001227+00'),
    ('11', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'capture', '1', '01a20d2e-3209-70f7-99cb-1aade3ec7a2a', NULL, '2026-11-24 10:51:01.024608+00'),
    ('12', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'hold', '1', '01a20d2e-322c-735d-8016-cf9d48537d88', NULL, '2026-11-24 10:51:01.054058+00'),
    ('13', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'capture', '1', '01a20d2e-322c-735d-8016-cf9d48537d88', NULL, '2026-11-24 10:51:01.06849+00'),
    ('14', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'hold', '1', '01a20d2e-3257-730b-a14e-6fd9c4acb556', NULL, '2026-11-24 10:51:01.079188+00'),
    ('15', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'capture', '1', '01a20d2e-3257-730b-a14e-6fd9c4acb556', NULL, '2026-11-24 10:51:01.091103+00'),
    ('16', '01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'hold', '1', '01a20d2e-3278-7215-97e4-921003189dd2', NULL, '2026-11-24 10:51:01.113479+00'),
    ('17', '01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'capture', '1', '01a20d2e-3278-7215-97e4-921003189dd2', NULL, '2026-11-24 10:51:01.13915+00'),
    ('18', '01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'hold', '1', '01a20d2e-3299-7042-b413-d4609b0b15ab', NULL, '2026-11-24 10:51:01.14576+00'),
    ('19', '01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'capture', '1', '01a20d2e-3299-7042-b413-d4609b0b15ab', NULL, '2026-11-24 10:51:01.160756+00'),
    ('20', '01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'hold', '1', '01a20d2e-32b7-71fb-ac62-47d10ab6b6c1', NULL, '2026-11-24 10:51:01.177877+00'),
    ('21', '01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'capture', '1', '01a20d2e-32b7-71fb-ac62-47d10ab6b6c1', NULL, '2026-11-24 10:51:01.186888+00'),
    ('22', '01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'hold', '1', '01a20d2e-32c7-7227-88d7-57364c2676b1', NULL, '2026-11-24 10:51:01.191143+00'),
    ('23', '01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'capture', '1', '01a20d2e-32c7-7227-88d7-57364c2676b1', NULL, '2026-11-24 10:51:01.201525+00'),
    ('24', '01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'hold', '1', '01a20d2e-32d5-71e5-9e92-db5b40842d6c', NULL, '2026-11-24 10:51:01.205769+00'),
    ('25', '01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'capture', '1', '01a20d2e-32d5-71e5-9e92-db5b40842d6c', NULL, '2026-11-24 10:51:01.216378+00'),
    ('26', '01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'hold', '1', '01a20d2e-32e4-71cf-990b-8208c0f293bb', NULL, '2026-11-24 10:51:01.220354+00'),
    ('27', '01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'capture', '1', '01a20d2e-32e4-71cf-990b-8208c0f293bb', NULL, '2026-11-24 10:51:01.226786+00'),
    ('28', '01a20d2e-232b-73d4-aa0b-dce7b892516b', 'hold', '1', '01a20d2e-32f1-7054-b792-dce82e859243', NULL, '2026-11-24 10:51:01.233484+00'),
    ('29', '01a20d2e-232b-73d4-aa0b-dce7b892516b', 'capture', '1', '01a20d2e-32f1-7054-b792-dce82e859243', NULL, '2026-11-24 10:51:01.241336+00'),
    ('30', '01a20d2e-232b-73d4-aa0b-dce7b892516b', 'hold', '1', '01a20d2e-3307-72ea-a69f-15ba1bc542c2', NULL, '2026-11-24 10:51:01.25526+00'),
    ('31', '01a20d2e-232b-73d4-aa0b-dce7b892516b', 'capture', '1', '01a20d2e-3307-72ea-a69f-15ba1bc542c2', NULL, '2026-11-24 10:51:01.265483+00'),
    ('32', '01a20d2e-232b-73d4-aa0b-dce7b892516b', 'hold', '1', '01a20d2e-331a-71d5-9c82-3f416fcb8b9e', NULL, '2026-11-24 10:51:01.274685+00'),
    ('33', '01a20d2e-232b-73d4-aa0b-dce7b892516b', 'capture', '1', '01a20d2e-331a-71d5-9c82-3f416fcb8b9e', NULL, '2026-11-24 10:51:01.289679+00'),
    ('34', '01a20d2e-232b-73d4-aa0b-dce7b892516b', 'hold', '1', '01a20d2e-3332-709b-8513-641734a4ffe5', NULL, '2026-11-24 10:51:01.298219+00'),
    ('35', '01a20d2e-232b-73d4-aa0b-dce7b892516b', 'capture', '1', '01a20d2e-3332-709b-8513-641734a4ffe5', NULL, '2026-11-24 10:51:01.305463+00'),
    ('36', '01a20d2e-232b-73d4-aa0b-dce7b892516b', 'hold', '1', '01a20d2e-333c-7095-8cca-bd0265ae133b', NULL, '2026-11-24 10:51:01.309116+00'),
    ('37', '01a20d2e-232b-73d4-aa0b-dce7b892516b', 'capture', '1', '01a20d2e-333c-7095-8cca-bd0265ae133b', NULL, '2026-11-24 10:51:01.317344+00'),
    ('38', '01a20d2e-232b-73d4-aa0b-dce7b892516b', 'hold', '1', '01a20d2e-3349-708b-9dc3-b5661c5e18df', NULL, '2026-11-24 10:51:01.321259+00'),
    ('39', '01a20d2e-232b-73d4-aa0b-dce7b892516b', 'capture', '1', '01a20d2e-3349-708b-9dc3-b5661c5e18df', NULL, '2026-11-24 10:51:01.331154+00'),
    ('40', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'hold', '1', '01a20d2e-3357-70aa-acd9-343a8af7c64e', NULL, '2026-11-24 10:51:01.336008+00'),
    ('41', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'hold', '1', '01a20d2e-3357-70ab-bed3-79e8fa1ba00e', NULL, '2026-11-24 10:51:01.336008+00'),
    ('42', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'hold', '1', '01a20d2e-3357-70ac-b9ed-8adc64a63e51', NULL, '2026-11-24 10:51:01.336008+00'),
    ('43', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'hold', '1', '01a20d2e-3357-70ad-b4e6-d8aa411a2f52', NULL, '2026-11-24 10:51:01.336008+00'),
    ('44', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'hold', '1', '01a20d2e-3357-70ae-8a57-4e7d0c745165', NULL, '2026-11-24 10:51:01.336008+00'),
    ('45', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'hold', '1', '01a20d2e-3357-70af-bd4b-042bfa73e9da', NULL, '2026-11-24 10:51:01.336008+00'),
    ('46', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'hold', '1', '01a20d2e-3357-70b0-9a64-512d14dc2c28', NULL, '2026-11-24 10:51:01.336008+00'),
    ('47', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'hold', '1', '01a20d2e-3357-70b1-a1ad-27804163ebf2', NULL, '2026-11-24 10:51:01.336008+00'),
    ('48', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'hold', '1', '01a20d2e-3357-70b2-987d-f0626dce82ce', NULL, '2026-11-24 10:51:01.336008+00'),
    ('49', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'hold', '1', '01a20d2e-3357-70b3-bb91-4f5177c95920', NULL, '2026-11-24 10:51:01.336008+00'),
    ('50', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'capture', '1', '01a20d2e-3357-70aa-acd9-343a8af7c64e', NULL, '2026-11-24 10:51:01.410871+00'),
    ('51', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'capture', '1', '01a20d2e-3357-70ab-bed3-79e8fa1ba00e', NULL, '2026-11-24 10:51:01.410871+00'),
    ('52', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'capture', '1', '01a20d2e-3357-70ac-b9ed-8adc64a63e51', NULL, '2026-11-24 10:51:01.410871+00'),
    ('53', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'capture', '1', '01a20d2e-3357-70ad-b4e6-d8aa411a2f52', NULL, '2026-11-24 10:51:01.410871+00'),
    ('54', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'capture', '1', '01a20d2e-3357-70ae-8a57-4e7d0c745165', NULL, '2026-11-24 10:51:01.410871+00'),
    ('55', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'capture', '1', '01a20d2e-3357-70af-bd4b-042bfa73e9da', NULL, '2026-11-24 10:51:01.410871+00'),
    ('56', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'capture', '1', '01a20d2e-3357-70b0-9a64-512d14dc2c28', NULL, '2026-11-24 10:51:01.410871+00'),
    ('57', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'capture', '1', '01a20d2e-3357-70b1-a1ad-27804163ebf2', NULL, '2026-11-24 10:51:01.410871+00'),
    ('58', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'capture', '1', '01a20d2e-3357-70b2-987d-f0626dce82ce', NULL, '2026-11-24 10:51:01.410871+00'),
    ('59', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'capture', '1', '01a20d2e-3357-70b3-bb91-4f5177c95920', NULL, '2026-11-24 10:51:01.410871+00'),
    ('60', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'hold', '1', '01a20d2e-451a-723e-8bbd-e6b089000f36', NULL, '2026-11-24 10:51:05.88239+00'),
    ('61', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'hold', '1', '01a20d2e-4520-7367-a198-c582d6807b3b', NULL, '2026-11-24 10:51:05.888332+00'),
    ('62', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'hold', '1', '01a20d2e-452c-7267-97a3-6ce7d4161148', NULL, '2026-11-24 10:51:05.90072+00'),
    ('63', '01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'hold', '1', '01a20d2e-4536-71e4-895c-b7f24f29cff1', NULL, '2026-11-24 10:51:05.912488+00'),
    ('64', '01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'hold', '1', '01a20d2e-4543-70cc-83a6-ea2d3c111abf', NULL, '2026-11-24 10:51:05.923335+00'),
    ('65', '01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'hold', '1', '01a20d2e-4551-7135-b023-8615763a7ce1', NULL, '2026-11-24 10:51:05.937644+00'),
    ('66', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'hold', '1', '01a20d2e-455f-71e5-9b8a-91b8a02dce99', NULL, '2026-11-24 10:51:05.951972+00'),
    ('67', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'release', '1', '01a20d2e-455f-71e5-9b8a-91b8a02dce99', NULL, '2026-11-24 10:51:05.958569+00'),
    ('68', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'hold', '1', '01a20d2e-4570-716c-8458-f3f320412fd1', NULL, '2026-11-24 10:51:05.969464+00'),
    ('69', '01a20d2e-2dba-7367-a369-8b00b61f9d55', 'release', '1', '01a20d2e-4570-716c-8458-f3f320412fd1', NULL, '2026-11-24 10:51:07.401297+00'),
    ('70', '01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'top_up', '50', NULL, 'invoice 7', '2026-11-24 10:51:11.176287+00');

INSERT INTO public.users (id, username, username_key, password_hash, is_admin, is_demo, balance, created_at) OVERRIDING SYSTEM VALUE VALUES
    ('01a20d2e-2dba-7367-a369-8b00b61f9d55', 'anna', 'anna', '$argon2id$v=19$m=19456,t=2,p=1$tQOJJHNtV5ZhIcgsFm8PQg$D5V3KoTmu/WMmpdZWtLd9ewm6IJaVm9jXVyFRkcsKII', 'f', 'f', '81', '2026-11-24 10:50:59.898017+00'),
    ('01a20d2e-2e41-73b8-8c96-2a6d29bfd366', 'boris', 'boris', '$argon2id$v=19$m=19456,t=2,p=1$DvluhzxUrOIkP+7llQJprg$nuqQhZacT2wDJ2z9UamJ75JcZdfHJoNBzQqmR4vMJDQ', 'f', 'f', '141', '2026-11-24 10:51:00.03299+00'),
    ('01a20d2e-232b-73d4-aa0b-dce7b892516b', 'test', 'test', '$argon2id$v=19$m=19456,t=2,p=1$/CzAS91lwyXkSkGX0A4bMw$mlMycJAS5P9vcAmE8Dhtxe156zZlZEEtAUutO4b50Ws', 'f', 't', '94', '2026-11-24 10:50:57.195651+00');

INSERT INTO public.workers (id, number, host, pid, pools, models, state, started_at, heartbeat_at, lease_until, stopped_at) OVERRIDING SYSTEM VALUE VALUES
    ('worker-1-a373a1d6', '1', 'vm', '23225', '{default}', '{}', 'stopped', '2026-11-24 10:50:55.898021+00', '2026-11-24 10:51:02.953556+00', '2026-11-24 10:51:22.953556+00', '2026-11-24 10:51:23.527564+00');

SELECT pg_catalog.setval('public.consumer_numbers', 1, true);

SELECT pg_catalog.setval('public.queue_messages_id_seq', 48, true);

SELECT pg_catalog.setval('public.transactions_id_seq', 70, true);

SELECT pg_catalog.setval('public.worker_numbers', 1, true);

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

CREATE INDEX outbox_bulk ON public.outbox USING btree (user_id, prediction_id) WHERE bulk;

CREATE INDEX predictions_deadline ON public.predictions USING btree (deadline_at) WHERE ((finished_at IS NULL) AND (deadline_at IS NOT NULL));

CREATE INDEX predictions_of_batch ON public.predictions USING btree (batch_id) WHERE (batch_id IS NOT NULL);

CREATE INDEX predictions_of_user ON public.predictions USING btree (user_id, id);

CREATE INDEX predictions_open ON public.predictions USING btree (user_id, batch_id, id) INCLUDE (cost) WHERE (finished_at IS NULL);

CREATE INDEX queue_messages_leased ON public.queue_messages USING btree (consumer) WHERE (consumer IS NOT NULL);

CREATE INDEX queue_messages_ready ON public.queue_messages USING btree (queue, id) WHERE (consumer IS NULL);

CREATE INDEX sessions_expiry ON public.sessions USING btree (expires_at);

CREATE INDEX sessions_of_user ON public.sessions USING btree (user_id) WHERE (revoked_at IS NULL);

CREATE UNIQUE INDEX transactions_of_prediction ON public.transactions USING btree (prediction_id, ((kind = 'hold'::text))) WHERE (prediction_id IS NOT NULL);

CREATE INDEX transactions_of_user ON public.transactions USING btree (user_id, id);

CREATE TRIGGER predictions_terminal_never_changes BEFORE UPDATE ON public.predictions FOR EACH ROW WHEN ((old.finished_at IS NOT NULL)) EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER transactions_never_change BEFORE DELETE OR UPDATE OR TRUNCATE ON public.transactions FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);

ALTER TABLE ONLY public.predictions
    ADD CONSTRAINT predictions_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);

GRANT USAGE ON SCHEMA public TO ml_service_app;
GRANT USAGE ON SCHEMA public TO ml_service_worker;

GRANT USAGE ON SEQUENCE public.consumer_numbers TO ml_service_app;
GRANT USAGE ON SEQUENCE public.consumer_numbers TO ml_service_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.idempotency_keys TO ml_service_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.models TO ml_service_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.models TO ml_service_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.outbox TO ml_service_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.predictions TO ml_service_app;
GRANT SELECT,UPDATE ON TABLE public.predictions TO ml_service_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.queue_messages TO ml_service_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.queue_messages TO ml_service_worker;

GRANT USAGE ON SEQUENCE public.queue_messages_id_seq TO ml_service_app;
GRANT USAGE ON SEQUENCE public.queue_messages_id_seq TO ml_service_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.rate_limits TO ml_service_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.sessions TO ml_service_app;

GRANT SELECT,INSERT ON TABLE public.transactions TO ml_service_app;
GRANT SELECT,INSERT ON TABLE public.transactions TO ml_service_worker;

GRANT USAGE ON SEQUENCE public.transactions_id_seq TO ml_service_app;
GRANT USAGE ON SEQUENCE public.transactions_id_seq TO ml_service_worker;

GRANT SELECT,INSERT,UPDATE ON TABLE public.users TO ml_service_app;

GRANT SELECT(id) ON TABLE public.users TO ml_service_worker;

GRANT SELECT(balance),UPDATE(balance) ON TABLE public.users TO ml_service_worker;

GRANT USAGE ON SEQUENCE public.worker_numbers TO ml_service_app;
GRANT USAGE ON SEQUENCE public.worker_numbers TO ml_service_worker;

GRANT SELECT,DELETE,UPDATE ON TABLE public.workers TO ml_service_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.workers TO ml_service_worker;



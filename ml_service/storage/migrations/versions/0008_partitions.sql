-- Predictions by ranges of their id, which begins with the time: what is too old is dropped by table, and the disk is
-- free at once. The ledger has no such end.

CREATE FUNCTION first_id_of(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;
CREATE FUNCTION time_of(id uuid) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0)
$$;

-- The table of today becomes the first partition.
ALTER TABLE predictions RENAME TO predictions_first;
ALTER INDEX predictions_pkey RENAME TO predictions_first_pkey;
ALTER INDEX predictions_of_user RENAME TO predictions_first_of_user;
ALTER INDEX predictions_open RENAME TO predictions_first_open;
ALTER INDEX predictions_deadline RENAME TO predictions_first_deadline;
ALTER INDEX predictions_of_batch RENAME TO predictions_first_of_batch;
DROP TRIGGER predictions_terminal_never_changes ON predictions_first;

-- The foreign key to users stands in each partition, not here: attaching a partition to a table that has one locks
-- users after predictions, in the wrong order for those who are just accepting requests.
CREATE TABLE predictions (LIKE predictions_first INCLUDING DEFAULTS INCLUDING CONSTRAINTS, PRIMARY KEY (id))
    PARTITION BY RANGE (id);
CREATE INDEX predictions_of_user ON predictions (user_id, id);
CREATE INDEX predictions_open ON predictions (user_id, batch_id, id) INCLUDE (cost) WHERE finished_at IS NULL;
CREATE INDEX predictions_deadline ON predictions (deadline_at) WHERE finished_at IS NULL AND deadline_at IS NOT NULL;
CREATE INDEX predictions_of_batch ON predictions (batch_id) WHERE batch_id IS NOT NULL;
-- A user's failed, canceled and expired ones. The predicate names no column that a claim changes.
CREATE INDEX predictions_without_output ON predictions (user_id, id) WHERE error_code IS NOT NULL;

-- A terminal row never changes, but for its texts, which retention may erase.
CREATE FUNCTION refuse_change_of_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.input::text = 'null' AND coalesce(NEW.output::text, 'null') = 'null'
        AND to_jsonb(OLD) - '{input,output,error_message}'::text[] = to_jsonb(NEW) - '{input,output,error_message}'::text[]
    THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION '% of % is final', TG_OP, TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER predictions_terminal_never_changes AFTER UPDATE ON predictions
    FOR EACH ROW WHEN (OLD.finished_at IS NOT NULL) EXECUTE FUNCTION refuse_change_of_ended();

GRANT SELECT, INSERT, UPDATE ON predictions TO ml_service_app, ml_service_bot;
GRANT SELECT, UPDATE ON predictions TO ml_service_worker;

-- Catches ids for which there is no partition: of processes whose clocks are wrong.
CREATE TABLE predictions_default PARTITION OF predictions DEFAULT WITH (
    fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.1
);
ALTER TABLE predictions_default ADD FOREIGN KEY (user_id) REFERENCES users (id);

DO $$
BEGIN
    EXECUTE format(
        'ALTER TABLE predictions ATTACH PARTITION predictions_first FOR VALUES FROM (MINVALUE) TO (%L)',
        first_id_of(date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + interval '2 days')
    );
END
$$;

CREATE VIEW prediction_partitions AS
SELECT c.oid::regclass::text AS name,
    substring(bounds FROM $re$FROM \('([0-9a-f-]+)'\)$re$)::uuid AS from_id,      -- NULL: the first
    substring(bounds FROM $re$TO \('([0-9a-f-]+)'\)$re$)::uuid AS until_id,       -- NULL: the default
    pg_total_relation_size(c.oid) AS bytes
FROM pg_inherits AS i
JOIN pg_class AS c ON c.oid = i.inhrelid
CROSS JOIN LATERAL pg_get_expr(c.relpartbound, c.oid) AS bounds
WHERE i.inhparent = 'predictions'::regclass;
GRANT SELECT ON prediction_partitions TO ml_service_app;

-- The service's role makes and drops partitions by these functions, and by nothing else. They wait for locks for a
-- second at most, because everything queued behind them waits too; the leader calls them again later.

-- Makes the table of the next partition, unless the partitions reach `width` into the future already; returns its name.
-- Attaching it is a transaction of its own: the foreign key locks users, which must not be held then.
CREATE FUNCTION make_prediction_partition(width interval) RETURNS text LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '1s' SET timezone = 'UTC' AS $$
DECLARE
    from_id uuid := (SELECT p.until_id FROM prediction_partitions AS p ORDER BY p.until_id DESC NULLS LAST LIMIT 1);
    name text := 'predictions_from_' || to_char(time_of(from_id), 'YYYYMMDD"t"HH24MI');
BEGIN
    PERFORM pg_advisory_xact_lock(785);
    IF from_id >= first_id_of(now() + width) THEN
        RETURN NULL;
    END IF;
    EXECUTE format('DROP TABLE IF EXISTS %I', name);  -- of a process that died before it attached it
    EXECUTE format(
        'CREATE TABLE %I (LIKE predictions INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES,'
        ' FOREIGN KEY (user_id) REFERENCES users (id))'
        ' WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.1)', name
    );
    RETURN name;
END
$$;

-- Attaches the table that make_prediction_partition has made. Rows that a wrong clock put into the default partition
-- and that belong here move along.
CREATE FUNCTION attach_prediction_partition(width interval) RETURNS text LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '1s' SET timezone = 'UTC' AS $$
DECLARE
    from_id uuid := (SELECT p.until_id FROM prediction_partitions AS p ORDER BY p.until_id DESC NULLS LAST LIMIT 1);
    name text := 'predictions_from_' || to_char(time_of(from_id), 'YYYYMMDD"t"HH24MI');
    until_id uuid := first_id_of(greatest(time_of(from_id), date_trunc('hour', now())) + width);
BEGIN
    PERFORM pg_advisory_xact_lock(785);
    IF to_regclass(quote_ident(name)) IS NULL THEN
        RETURN NULL;
    END IF;
    LOCK TABLE predictions_default IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('INSERT INTO %I SELECT * FROM predictions_default WHERE id >= %L AND id < %L', name, from_id, until_id);
    DELETE FROM predictions_default AS d WHERE d.id >= from_id AND d.id < until_id;
    EXECUTE format('ALTER TABLE predictions ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, from_id, until_id);
    RETURN name;
END
$$;

-- Detaches the partitions whose rows were all accepted before `older_than`, and deletes such rows from the default one.
-- One that has an unfinished prediction stays. Returns what was detached.
CREATE FUNCTION detach_prediction_partitions(older_than timestamptz) RETURNS SETOF text LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
    partition record;
    has_open boolean;
BEGIN
    IF older_than > now() - interval '1 day' THEN
        RAISE EXCEPTION 'predictions are kept for a day at least' USING ERRCODE = 'check_violation';
    END IF;
    FOR partition IN
        SELECT p.name FROM prediction_partitions AS p WHERE p.until_id <= first_id_of(older_than) ORDER BY p.until_id
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE finished_at IS NULL)', partition.name) INTO has_open;
        CONTINUE WHEN has_open;
        LOCK TABLE predictions IN ACCESS EXCLUSIVE MODE;
        EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE finished_at IS NULL)', partition.name) INTO has_open;
        CONTINUE WHEN has_open;  -- a process with a wrong clock was quicker
        EXECUTE format('ALTER TABLE predictions DETACH PARTITION %s', partition.name);
        EXECUTE format('ALTER TABLE %s RENAME TO %I', partition.name, 'dropped_' || partition.name);
        RETURN NEXT partition.name;
    END LOOP;
    DELETE FROM predictions_default WHERE created_at < older_than AND finished_at IS NOT NULL;
END
$$;

-- Drops what was detached. A transaction of its own: the foreign key locks users, and requests lock users and
-- predictions in either order.
CREATE FUNCTION drop_detached_prediction_partitions() RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
    name text;
BEGIN
    FOR name IN
        SELECT c.relname FROM pg_class AS c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname LIKE 'dropped\_predictions\_%'
    LOOP
        EXECUTE format('DROP TABLE %I', name);
    END LOOP;
END
$$;

REVOKE ALL ON FUNCTION make_prediction_partition, attach_prediction_partition, detach_prediction_partitions,
    drop_detached_prediction_partitions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_prediction_partition, attach_prediction_partition, detach_prediction_partitions,
    drop_detached_prediction_partitions TO ml_service_app;

SELECT make_prediction_partition('90 days');
SELECT attach_prediction_partition('90 days');

-- How far the texts of old predictions have been erased, and which were passed because they were unfinished then.
CREATE TABLE text_retention (
    id int PRIMARY KEY DEFAULT 1 CHECK (id = 1),  -- one row
    erased_before uuid NOT NULL
);
INSERT INTO text_retention (erased_before) VALUES ('00000000-0000-0000-0000-000000000000');
CREATE TABLE texts_to_erase (prediction_id uuid PRIMARY KEY);
GRANT SELECT, UPDATE ON text_retention TO ml_service_app;
GRANT SELECT, INSERT, DELETE ON texts_to_erase TO ml_service_app;

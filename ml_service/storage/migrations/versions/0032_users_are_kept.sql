-- A prediction's user was checked by a foreign key: a look into users, and a lock on the user's row, for each. Every
-- statement that inserts predictions takes the user from a row that has one, under a lock or a key of its own; what is
-- left to refuse is that a user is deleted.

-- The service may be running: both tables are locked at once or not at all, and nobody waits behind that for longer.
DO $$
BEGIN
    SET LOCAL lock_timeout = '200ms';
    LOOP
        BEGIN
            LOCK TABLE users, predictions IN ACCESS EXCLUSIVE MODE;
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            PERFORM pg_sleep(0.2);
        END;
    END LOOP;
    SET LOCAL lock_timeout = 0;
END
$$;

CREATE TRIGGER users_are_kept BEFORE DELETE OR TRUNCATE ON users
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

DO $$
DECLARE
    key record;
BEGIN
    FOR key IN
        SELECT c.conrelid::regclass::text AS partition, c.conname AS name
        FROM pg_constraint AS c JOIN pg_inherits AS i ON i.inhrelid = c.conrelid
        WHERE i.inhparent = 'predictions'::regclass AND c.contype = 'f'
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', key.partition, key.name);
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION make_prediction_partition(width interval) RETURNS text LANGUAGE plpgsql
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
        'CREATE TABLE %I (LIKE predictions INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)'
        ' WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.1)', name
    );
    RETURN name;
END
$$;

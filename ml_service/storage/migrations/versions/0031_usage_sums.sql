-- What users have used, summed in the background: nobody waits while a million rows are counted, and the sums outlive
-- the rows. A day is that of the id, in UTC.
CREATE TABLE usage_sums (
    user_id uuid NOT NULL REFERENCES users (id),
    day date NOT NULL,
    model text NOT NULL,
    key_id uuid,
    predictions bigint NOT NULL,
    succeeded bigint NOT NULL,
    failed bigint NOT NULL,
    credits bigint NOT NULL,
    CHECK (succeeded >= 0 AND failed >= 0 AND credits >= 0 AND succeeded + failed <= predictions AND predictions > 0),
    UNIQUE NULLS NOT DISTINCT (user_id, day, model, key_id)
) WITH (fillfactor = 70);

-- How far predictions have been summed, and which were passed because they were unfinished then.
CREATE TABLE usage_progress (
    id int PRIMARY KEY DEFAULT 1 CHECK (id = 1),  -- one row
    summed_before uuid NOT NULL
);
INSERT INTO usage_progress (summed_before) VALUES ('00000000-0000-0000-0000-000000000000');
CREATE TABLE usage_passed (
    prediction_id uuid PRIMARY KEY,
    user_id uuid NOT NULL
);
CREATE INDEX usage_passed_of_user ON usage_passed (user_id, prediction_id);
CREATE INDEX usage_sums_of_day ON usage_sums (day);

GRANT SELECT, INSERT, UPDATE, DELETE ON usage_sums TO ml_service_app;
GRANT SELECT, UPDATE ON usage_progress TO ml_service_app;
GRANT SELECT, INSERT, DELETE ON usage_passed TO ml_service_app;

-- As in 0008, but what has not been summed stays.
CREATE OR REPLACE FUNCTION detach_prediction_partitions(older_than timestamptz) RETURNS SETOF text LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
    partition record;
    has_open boolean;
BEGIN
    IF older_than > now() - interval '1 day' THEN
        RAISE EXCEPTION 'predictions are kept for a day at least' USING ERRCODE = 'check_violation';
    END IF;
    FOR partition IN
        SELECT p.name, coalesce(p.from_id, '00000000-0000-0000-0000-000000000000') AS from_id, p.until_id
        FROM prediction_partitions AS p
        WHERE p.until_id <= first_id_of(older_than) AND p.until_id <= (SELECT u.summed_before FROM usage_progress AS u)
        ORDER BY p.until_id
    LOOP
        CONTINUE WHEN EXISTS (
            SELECT FROM usage_passed AS u
            WHERE u.prediction_id >= partition.from_id AND u.prediction_id < partition.until_id
        );
        EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE finished_at IS NULL)', partition.name) INTO has_open;
        CONTINUE WHEN has_open;
        LOCK TABLE predictions IN ACCESS EXCLUSIVE MODE;
        EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE finished_at IS NULL)', partition.name) INTO has_open;
        CONTINUE WHEN has_open;  -- a process with a wrong clock was quicker
        EXECUTE format('ALTER TABLE predictions DETACH PARTITION %s', partition.name);
        EXECUTE format('ALTER TABLE %s RENAME TO %I', partition.name, 'dropped_' || partition.name);
        RETURN NEXT partition.name;
    END LOOP;
    DELETE FROM predictions_default
    WHERE created_at < older_than AND finished_at IS NOT NULL AND id < (SELECT u.summed_before FROM usage_progress AS u);
END
$$;

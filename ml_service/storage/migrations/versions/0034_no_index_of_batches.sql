-- Every statement has the batch's range of ids, or asks for what is open. This index only cost a write for each version
-- of a row, and without statistics PostgreSQL took it for as good as the others, and read whole bulk jobs by it.
DO $$
BEGIN
    -- The service may be running: its statements wait for a moment, and never behind this while it waits itself.
    SET LOCAL lock_timeout = '200ms';
    LOOP
        BEGIN
            DROP INDEX predictions_of_batch;
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            PERFORM pg_sleep(0.2);
        END;
    END LOOP;
    SET LOCAL lock_timeout = 0;
END
$$;

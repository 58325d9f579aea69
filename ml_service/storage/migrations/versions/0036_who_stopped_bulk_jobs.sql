-- Who has stopped a bulk job: its lines that were fed before are canceled one by one later, and their credits go back
-- by the same actor. Jobs that were stopped before count as stopped by their user.
ALTER TABLE bulk_jobs
    ADD COLUMN stopped_by_kind text,
    ADD COLUMN stopped_by_id text,
    ADD CONSTRAINT bulk_jobs_stopped_by CHECK ((stopped_by_kind IS NULL) = (stopped_by_id IS NULL)) NOT VALID;

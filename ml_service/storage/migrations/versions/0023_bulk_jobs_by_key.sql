-- The API key by which a job was started: it counts the job's credits until they are given back. Its predictions have no
-- key, because what a key has held goes back to the day of the job, not to that of the line.
ALTER TABLE bulk_jobs ADD COLUMN key_id uuid;

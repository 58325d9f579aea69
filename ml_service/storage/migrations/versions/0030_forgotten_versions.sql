-- A forgotten version keeps its schemas: what waits for it was validated by them, and nothing else may answer under its
-- name and number before that has ended.
ALTER TABLE model_versions ADD COLUMN forgotten_at timestamptz;

GRANT SELECT (model, version, finished_at) ON bulk_jobs TO ml_service_worker;

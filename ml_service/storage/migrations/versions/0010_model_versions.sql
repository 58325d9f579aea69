-- What workers have announced. The schemas of a version never change (storage/models.py refuses it).

CREATE TABLE model_versions (
    name text NOT NULL,
    version text NOT NULL,
    spec json NOT NULL,
    announced_at timestamptz NOT NULL DEFAULT now(),
    served_at timestamptz NOT NULL DEFAULT now(),   -- when a live worker last served it
    watched_at timestamptz NOT NULL DEFAULT now(),  -- when the leader last looked: time without a leader does not count
    parked_at timestamptz,                      -- workers dropped task messages for it: to be sent again once it is served
    PRIMARY KEY (name, version)
);
INSERT INTO model_versions (name, version, spec, announced_at) SELECT name, version, spec, announced_at FROM models;

-- A name has a default version, and an admin's price.
ALTER TABLE models RENAME COLUMN version TO default_version;
ALTER TABLE models
    ADD COLUMN previous_version text,           -- the default before the last promotion
    DROP CONSTRAINT models_price_not_negative,
    DROP COLUMN spec,
    DROP COLUMN price_credits,
    DROP COLUMN announced_at,
    ADD CONSTRAINT models_price_not_negative CHECK (price_credits_set >= 0),
    ADD CONSTRAINT models_default_is_announced FOREIGN KEY (name, default_version) REFERENCES model_versions;

GRANT SELECT, INSERT, UPDATE ON model_versions TO ml_service_worker;
GRANT SELECT, UPDATE ON model_versions TO ml_service_app;
GRANT SELECT ON model_versions TO ml_service_bot;

-- A prediction has its version from submit on. What ended before that without one keeps none.
UPDATE predictions AS p
SET version = coalesce((SELECT m.default_version FROM models AS m WHERE m.name = p.model), 'unknown')
WHERE p.finished_at IS NULL AND p.version IS NULL;
ALTER TABLE predictions
    ADD CONSTRAINT predictions_version CHECK (version IS NOT NULL OR finished_at IS NOT NULL);

-- Task messages carry the version. Workers drop those from before, so all that is queued is sent again.
ALTER TABLE outbox ADD COLUMN version text;
UPDATE outbox AS o SET version = p.version FROM predictions AS p WHERE p.id = o.prediction_id;
DELETE FROM outbox WHERE version IS NULL;
ALTER TABLE outbox ALTER COLUMN version SET NOT NULL;
INSERT INTO outbox (prediction_id, user_id, pool, model, version, bulk, send_after)
SELECT p.id, p.user_id, coalesce(v.spec ->> 'pool', 'default'), p.model, p.version, p.batch_id IS NOT NULL, '-infinity'
FROM predictions AS p LEFT JOIN model_versions AS v ON v.name = p.model AND v.version = p.version
WHERE p.finished_at IS NULL AND p.status = 'queued'
ON CONFLICT (prediction_id) DO NOTHING;

-- Batches as rows: what was asked for together. Its predictions have neighbouring ids, so that they are found in one
-- partition, and by its row it is known how many they were when some are gone.
CREATE TABLE batches (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id),
    source text NOT NULL,
    size int NOT NULL,
    cost bigint NOT NULL,                       -- of all together, as held when it was accepted
    first_id uuid NOT NULL,                     -- of its predictions, which lie between these two
    last_id uuid NOT NULL,
    deadline_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT batches_size CHECK (size > 0 AND cost >= 0 AND first_id <= last_id)
);
CREATE INDEX batches_of_user ON batches (user_id, id);

INSERT INTO batches (id, user_id, source, size, cost, first_id, last_id, deadline_at, created_at)
SELECT batch_id, user_id, min(source), count(*), sum(cost), (array_agg(id ORDER BY id))[1],
    (array_agg(id ORDER BY id DESC))[1], min(deadline_at), min(created_at)
FROM predictions WHERE batch_id IS NOT NULL GROUP BY batch_id, user_id;

GRANT SELECT, INSERT, DELETE ON batches TO ml_service_app;
GRANT SELECT, INSERT ON batches TO ml_service_bot;

-- When an operator last asked the workers to load a model again.
ALTER TABLE models ADD COLUMN restart_asked_at timestamptz;

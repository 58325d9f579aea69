-- What each model of a worker does, and why one that cannot be loaded cannot: {"mine": {"state": "failed", "version": null,
-- "reason": "…"}}. `models` stays the list of those that answer.
ALTER TABLE workers ADD COLUMN model_states jsonb NOT NULL DEFAULT '{}';

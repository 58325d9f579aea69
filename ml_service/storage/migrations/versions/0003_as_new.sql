DROP TRIGGER predictions_terminal_never_changes ON predictions;
CREATE TRIGGER predictions_terminal_never_changes AFTER UPDATE ON predictions
    FOR EACH ROW WHEN (OLD.finished_at IS NOT NULL) EXECUTE FUNCTION refuse_change();

DROP INDEX outbox_bulk;
CREATE INDEX outbox_bulk ON outbox (pool, user_id, prediction_id) WHERE bulk;

-- A key is simple if it may predict, with all models, and has no cap. A submission by it reads its token only, which
-- says so here, and until when; NULL: it is not simple, or not valid.
ALTER TABLE api_key_tokens
    ADD COLUMN simple_until timestamptz,
    ADD COLUMN keys_version bigint NOT NULL DEFAULT 0;
-- Grows with each change of any of the user's keys. The submit statement compares it, of the row that it has locked,
-- with that of the token, which it has read before: where a key was changed meanwhile, they differ.
ALTER TABLE users ADD COLUMN keys_version bigint NOT NULL DEFAULT 0;
GRANT SELECT (keys_version) ON users TO ml_service_bot;

-- Lock the user's row first where others may be submitting: as everywhere, users come before keys.
CREATE FUNCTION note_changed_keys(owner uuid) RETURNS void LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    version bigint;
BEGIN
    UPDATE users SET keys_version = keys_version + 1 WHERE id = owner RETURNING keys_version INTO version;
    UPDATE api_key_tokens AS t SET
        keys_version = version,
        simple_until = CASE
            WHEN k.revoked_at IS NULL AND k.cap_credits IS NULL AND k.models IS NULL AND 'predict' = ANY (k.scopes)
            THEN least(k.expires_at, t.valid_until, 'infinity')
        END
    FROM api_keys AS k WHERE k.id = t.key_id AND k.user_id = owner;
END
$$;
CREATE FUNCTION note_changed_key() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM note_changed_keys(OLD.user_id);
    RETURN NULL;
END
$$;
CREATE FUNCTION note_changed_token() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM note_changed_keys(user_id) FROM api_keys WHERE id = NEW.key_id;
    RETURN NULL;
END
$$;
-- Not of what submissions count and note.
CREATE TRIGGER api_keys_changed AFTER UPDATE OF user_id, scopes, models, cap_credits, expires_at, revoked_at OR DELETE
    ON api_keys FOR EACH ROW EXECUTE FUNCTION note_changed_key();
CREATE TRIGGER api_key_tokens_changed AFTER INSERT OR UPDATE OF valid_until
    ON api_key_tokens FOR EACH ROW EXECUTE FUNCTION note_changed_token();

SELECT note_changed_keys(user_id) FROM (SELECT DISTINCT user_id FROM api_keys) AS owner;

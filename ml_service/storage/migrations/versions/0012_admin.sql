-- What admins have changed and why: written in the transaction of the change, and final.
CREATE TABLE admin_actions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    actor_id uuid,                              -- NULL: the command line. No foreign key: accounts may be deleted, this stays
    actor text NOT NULL,                        -- the admin's name at that time
    action text NOT NULL,
    target text NOT NULL,                       -- what was changed, such as user:<id> or model:<name>
    before jsonb,
    after jsonb,
    reason text
);
CREATE TRIGGER admin_actions_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON admin_actions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON admin_actions TO ml_service_app;

-- A blocked user cannot sign in, and nothing is accepted from them.
ALTER TABLE users ADD COLUMN is_blocked boolean NOT NULL DEFAULT false;
GRANT SELECT (is_blocked) ON users TO ml_service_bot;
-- Finding users by the beginning of their name. No statement of a prediction changes the name.
CREATE INDEX users_by_name ON users (username_key text_pattern_ops);

-- Nothing is accepted for a model that is switched off.
ALTER TABLE models ADD COLUMN is_enabled boolean NOT NULL DEFAULT true;

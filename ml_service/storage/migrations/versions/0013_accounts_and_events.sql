-- Whether a row's version was written by a transaction that `seen` had seen. A row's xmin has the lower half of its
-- transaction's number; the upper half is the present one's, or the one before it. It is written for the planner to
-- inline it: each argument is used once.
CREATE FUNCTION is_version_seen(version xid, seen pg_snapshot) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT pg_visible_in_snapshot((
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint
        - ((pg_snapshot_xmax(pg_current_snapshot())::text::bigint - version::text::bigint) & 4294967295)
    )::text::xid8, seen)
$$;

-- What an account prefers; NULL: as the browser or Telegram says.
ALTER TABLE users ADD COLUMN language text,
    ADD CONSTRAINT users_language CHECK (language IN ('en', 'ru'));

-- What a list of sign-ins shows of each.
ALTER TABLE sessions
    ADD COLUMN last_used_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN client text,                     -- such as "Chrome on Linux"
    ADD COLUMN address text,                    -- as limits count it: an IPv4 address, or the /64 of an IPv6 one
    ADD CONSTRAINT sessions_client CHECK (length(client) <= 100 AND length(address) <= 100);

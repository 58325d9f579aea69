-- Accounts that were deleted, while there is something left to cancel or to erase. The user's row stays, without a name,
-- because the ledger is kept.
CREATE TABLE accounts_to_erase (
    user_id uuid PRIMARY KEY REFERENCES users (id),
    erased_to uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',  -- the last prediction whose texts are gone
    deleted_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE, DELETE ON accounts_to_erase TO ml_service_app;

-- Chats that are joined with a deleted account get their own one back, and are owed nothing by it any more.
GRANT SELECT (own_user_id), UPDATE (user_id) ON telegram_chats TO ml_service_app;
GRANT SELECT, DELETE ON deliveries TO ml_service_app;

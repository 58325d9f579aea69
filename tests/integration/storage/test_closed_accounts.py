"""There are two ways to delete an account, and both leave the same: nothing that lets somebody use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from ml_service.domain.ids import new_id
from ml_service.storage import chats, deleted_accounts
from ml_service.storage import migrations as stored_migrations
from ml_service.storage.database import Database, Session
from ml_service.usecases import telegram, users

ROWS = {
    "sessions": "(id, user_id, refresh_hash, expires_at) VALUES ($2, $1, uuid_send($2), now())",
    "telegram_link_codes": "(code_hash, user_id, expires_at) VALUES (uuid_send($2), $1, now())",
    "idempotency_keys": "(user_id, key, fingerprint, prediction_id) VALUES ($1, $2::uuid::text, '', $2)",
    "webhooks": "(id, user_id, url, events, balance_low_credits, secret) VALUES ($2, $1, 'u', '{balance.low}', 1, 's')",
    "webhook_secrets": "(user_id, secret) VALUES ($1, $2::uuid::text)",
    "request_webhooks": "(subject_id, user_id, url, origin, events) VALUES ($2, $1, 'u', 'o', '{prediction.failed}')",
    "api_keys": "(id, user_id, name, prefix, scopes) VALUES ($2, $1, 'a', 'a', '{read}')",
    "telegram_chats": "(chat_id, own_user_id, user_id, language) VALUES (8, $2, $1, 'en')",
    "deliveries": "(kind, subject_id, user_id, chat_id) VALUES ('chat', $2, $1, 8)",
}
"""What is deleted with an account, or no longer connected with it."""
KEPT = {
    "accounts_to_erase",
    "batches",
    "bulk_jobs",
    "outbox",
    "predictions",
    "transactions",
    "usage_passed",
    "usage_sums",
}
"""The books, and what is ended and erased in pieces."""
ACCESS = ("sessions", "api_keys", "webhooks", "webhook_secrets", "request_webhooks")
MIGRATION = Path(stored_migrations.__file__).parent / "versions/0035_one_way_to_close.sql"


async def fill(database: Database, user_id: UUID) -> None:
    """A row of the account in each table that has rows of accounts."""
    async with database.begin() as session:
        await session.execute("UPDATE users SET password_hash = 'h', has_webhooks = true WHERE id = $1", user_id)
        for table, values in ROWS.items():
            other = await users.register(session, f"other_{table}", None, starting_credits=0)
            await session.execute(f"INSERT INTO {table} {values}", user_id, other.id)


async def left(session: Session, user_id: UUID) -> dict[str, Any]:
    """How many rows of the account there are by table, and what the user's own row says."""
    tables = await session.fetch(
        "SELECT c.table_name AS name"
        " FROM information_schema.columns AS c JOIN pg_class AS r ON r.relname = c.table_name"
        " WHERE c.column_name = 'user_id' AND c.table_schema = 'public' AND r.relkind IN ('r', 'p')"
        " AND NOT r.relispartition"
    )
    names = {row["name"] for row in tables}
    assert names == ROWS.keys() | KEPT, "does closing an account delete what the new table has?"
    found = {name: await session.fetchval(f"SELECT count(*) FROM {name} WHERE user_id = $1", user_id) for name in names}
    row = dict(await session.fetchrow("SELECT * FROM users WHERE id = $1", user_id) or {})
    assert row.pop("username") == row.pop("username_key") == f"deleted-{row.pop('id').hex}"
    del row["created_at"]
    return found | row


async def account_of_chat(database: Database) -> UUID:
    async with database.begin() as session:
        return (await telegram.ensure_chat(session, 7, "en", starting_credits=0)).user_id


async def close(database: Database, user_id: UUID, way: str) -> None:
    async with database.begin() as session:
        if way == "chat":
            await chats.close_account(session, 7)
        else:
            assert await deleted_accounts.close(session, user_id, "h")


@pytest.mark.parametrize("way", ["chat", "user"])
async def test_a_deleted_account_keeps_nothing_that_lets_somebody_use_it(database: Database, way: str) -> None:
    user_id = await account_of_chat(database)
    await fill(database, user_id)
    await close(database, user_id, way)
    async with database.autocommit() as session:
        found = await left(session, user_id)
        own = await session.fetchval("SELECT own_user_id = user_id FROM telegram_chats WHERE chat_id = 8")
    rows = {name: count for name, count in found.items() if name in ROWS and count}
    assert rows == {"telegram_chats": 1}, "its own one"
    assert own, "the chat that was connected has its own account"
    assert (found["accounts_to_erase"], found["password_hash"], found["has_webhooks"]) == (1, None, False)


@pytest.mark.parametrize("table", ACCESS)
async def test_accounts_that_were_half_deleted_are_closed_by_the_migration(database: Database, table: str) -> None:
    user_id = await account_of_chat(database)
    await close(database, user_id, "chat")
    async with database.begin() as session:
        await session.execute("DELETE FROM accounts_to_erase")
        await session.execute(f"INSERT INTO {table} {ROWS[table]}", user_id, new_id())
        script = MIGRATION.read_text()
        await session.execute(script[script.index("SELECT close_account(u.id)") :])
        found = await left(session, user_id)
    assert (found[table], found["accounts_to_erase"]) == (0, 1), "and what it was used for since is erased"

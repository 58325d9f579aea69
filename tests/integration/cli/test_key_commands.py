"""`ml-service keys`, run as an operator does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from ml_service.domain.credentials import hash_of
from ml_service.storage import admin_actions, api_keys
from ml_service.storage.database import Database
from ml_service.usecases import users
from tests.integration.cli.test_admin_commands import run

__all__ = ["run"]

Run = Callable[..., str]


async def test_an_operator_makes_lists_rotates_and_revokes_keys(run: Run, database: Database) -> None:
    async with database.begin() as session:
        user = await users.register(session, "anna", None, starting_credits=0)
    options = (
        "--name",
        "[b]ci[/b]",
        "--cap",
        "10/day",
        "--model",
        "echo",
        "--rate-limit-per-minute",
        "60",
        "--days",
        "7",
    )
    printed = run("keys", "create", "Anna", *options, "--scope", "predict", "--reason", "for her")
    tokens = [re.findall(r"mls_\w+", printed)[-1]]
    async with database.autocommit() as session:
        [key] = await api_keys.list_of(session, user.id, 10)
        assert hash_of(tokens[0]) in await api_keys.of_tokens(session, [hash_of(tokens[0])])
    listed = run("keys", "list", "anna")
    assert all(text in listed for text in (str(key.id), "[b]ci[/b]", "0 of 10 per day", "never", "echo", "60"))
    tokens.append(re.findall(r"mls_\w+", run("keys", "rotate", str(key.id), "--grace-s", "60"))[-1])
    run("keys", "revoke", str(key.id), expected=2)  # a reason is asked for
    run("keys", "revoke", str(key.id), "--reason", "left")
    run("keys", "revoke", str(key.id), "--reason", "twice", expected=1)
    run("keys", "create", "anna", "--name", "x", "--cap", "10/year", expected=1)
    run("keys", "create", "nobody", "--name", "x", expected=1)
    assert str(key.id) not in run("keys", "list", "anna")
    async with database.autocommit() as session:
        assert await api_keys.of_tokens(session, [hash_of(token) for token in tokens]) == {}
        found = list(reversed(await admin_actions.page(session, before=None, limit=10)))
    assert [(one.action, one.target, one.reason) for one in found] == [
        ("key.create", f"user:{user.id}", "for her"),
        ("key.rotate", f"user:{user.id}", None),
        ("key.revoke", f"user:{user.id}", "left"),
    ]
    assert {json.loads(one.after or "{}")["key"] for one in found} == {str(key.id)}
    assert not any(token in (one.after or "") for one in found for token in tokens)

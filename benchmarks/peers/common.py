"""What the peers share: the same tables, the same guarantee, the statements that a careful person would write.

A task reads its row, runs echo, commits the answer with its ledger row in one statement, publishes a result message
that the broker confirms, and is acknowledged only then. An endpoint checks the token, debits, writes the row and the
ledger in one statement, commits, and sends the task with a confirm.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel

from ml_service.domain.ids import new_id
from ml_service.platform.settings.app import AppSettings
from ml_service.platform.settings.reading import read_settings
from services.app.auth.access_tokens import ALGORITHM, AUDIENCE, ISSUER
from services.app.http.server import listen, serve

ASYNC_TASKS_MAX = 64
"""Tasks that one process of an asynchronous peer works on at once."""
THREADS = 8
"""Of a threaded peer's process."""

READ = "SELECT input::text FROM predictions WHERE id = $1 AND status = 'queued'"
FINISH = """
    WITH done AS (
        UPDATE predictions SET status = 'succeeded', version = '1', output = $2::json, attempts = 1,
            worker_id = 'peer', started_at = now(), finished_at = now()
        WHERE id = $1 AND status = 'queued'
        RETURNING id, user_id, cost
    )
    INSERT INTO transactions (user_id, kind, amount, prediction_id, actor_kind, actor_id)
    SELECT user_id, 'capture', cost, id, 'system', 'peer' FROM done
"""
SUBMIT = """
    WITH debited AS (
        UPDATE users SET balance = balance - 1, grants_left = grants_left - 1
        WHERE id = $2 AND balance >= 1 RETURNING id
    ), held AS (
        INSERT INTO transactions (user_id, kind, amount, prediction_id, actor_kind, actor_id)
        SELECT id, 'hold', 1, $1, 'user', id::text FROM debited
    )
    INSERT INTO predictions (id, user_id, model, version, source, cost, input)
    SELECT $1, id, $3, '1', 'api', 1, $4::json FROM debited
"""


def psycopg_sql(statement: str) -> str:
    """The statement with psycopg's placeholders; they come in the order of their numbers here."""
    for number in range(1, 5):
        statement = statement.replace(f"${number}", f"%(p{number})s")
    return statement


def database_url() -> str:
    """Where the rows are."""
    return os.environ["DATABASE_URL"]


def amqp_url() -> str:
    """Where the queue is."""
    return os.environ["AMQP_URL"]


def echo(value: dict[str, Any]) -> dict[str, Any]:
    """Run the model that costs nothing."""
    return value


async def work(pool: asyncpg.Pool[asyncpg.Record], prediction_id: str) -> None:
    """Do an asynchronous peer's work but for the result message."""
    async with pool.acquire() as session:
        text = await session.fetchval(READ, UUID(prediction_id))
        if text is not None:
            await session.execute(FINISH, UUID(prediction_id), json.dumps(echo(json.loads(text))))


def given_ids() -> list[str]:
    """The ids to publish, one a line on stdin."""
    return sys.stdin.read().split()


class Ask(BaseModel):
    """A request, as the service takes it."""

    model: str
    input: dict[str, Any]


class Asked(BaseModel):
    """The answer."""

    id: UUID
    status: str


async def user_of(token: Annotated[str, Depends(OAuth2PasswordBearer(tokenUrl="token"))]) -> UUID:
    """The dependency that checks the token, as FastAPI's tutorial has it."""
    secret = os.environ["JWT_SECRET"]
    try:
        claims = jwt.decode(token, secret, algorithms=[ALGORITHM], audience=AUDIENCE, issuer=ISSUER)
    except jwt.InvalidTokenError:
        raise HTTPException(401) from None
    return UUID(claims["sub"])


def endpoint(
    send: Callable[[str], Awaitable[None]], start: Callable[[], Awaitable[None]], stop: Callable[[], Awaitable[None]]
) -> FastAPI:
    """A FastAPI app with the one route; ``send`` sends the task of an id."""
    pools: list[asyncpg.Pool[asyncpg.Record]] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(database_url(), min_size=10, max_size=10) as pool:
            pools.append(pool)
            await start()
            yield
            await stop()

    app = FastAPI(lifespan=lifespan)

    @app.post("/predictions/predict", status_code=202)
    async def predict(new: Ask, user_id: Annotated[UUID, Depends(user_of)]) -> Asked:
        prediction_id = new_id()
        async with pools[0].acquire() as session:
            tag = await session.execute(SUBMIT, prediction_id, user_id, new.model, json.dumps(new.input))
        if tag == "INSERT 0 0":
            raise HTTPException(402)
        await send(str(prediction_id))
        return Asked(id=prediction_id, status="queued")

    return app


def serve_endpoint(app: FastAPI) -> None:
    """Serve on the same server and socket as the service does."""
    serve(app, listen(read_settings(AppSettings)))

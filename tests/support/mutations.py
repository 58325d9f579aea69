"""The product with one mechanism switched off, each by a name: what a fault's test must notice."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

MUTATIONS: dict[str, Callable[[], None]] = {}


def mutation(switch_off: Callable[[], None]) -> Callable[[], None]:
    """Register it under the name of the function, in words."""
    MUTATIONS[switch_off.__name__.replace("_", " ")] = switch_off
    return switch_off


@mutation
def nothing_is_sent_at_once() -> None:
    """Everything is left to the sweeper."""
    from ml_service.background.relay import Relay

    Relay.send = lambda *_: None  # type: ignore[method-assign,assignment]


@mutation
def everybody_leads() -> None:
    """Each process is a leader."""
    from services.app import wiring

    wiring.APP_DUTIES_LOCK = 10_000_000 + os.getpid()


@mutation
def nothing_is_swept() -> None:
    """What was not sent at once is forgotten."""
    from ml_service.background.sweeper import Sweeper

    Sweeper.sweep = Sweeper.resend_due = _nothing  # type: ignore[method-assign]


@mutation
def nothing_is_marked() -> None:
    """What was sent stays in the outbox."""
    from ml_service.storage import outbox

    outbox.delete = _nothing  # type: ignore[assignment]


@mutation
def no_confirm_is_waited_for() -> None:
    """A publish returns as soon as its bytes are on their way."""
    from ml_service.messaging.rabbitmq import publishing

    async def send(self: Any, messages: Any) -> set[str]:
        (await self._open()).send(messages)
        return set()

    publishing.ConfirmedPublisher._publish = send  # type: ignore[method-assign]


@mutation
def a_new_queue_is_no_news() -> None:
    """Nobody is told that the queue was lost."""
    from ml_service.messaging.postgres.backend import PostgresQueue
    from ml_service.messaging.rabbitmq.backend import RabbitQueue

    async def declare(_: Any) -> bool:
        return False

    PostgresQueue.declare = declare  # type: ignore[method-assign]
    RabbitQueue.declare = declare  # type: ignore[method-assign]


@mutation
def gone_workers_are_not_missed() -> None:
    """What a gone worker had claimed is left with it."""
    from ml_service.background.sweeper import Sweeper

    Sweeper._resend_of_gone_workers = _nothing  # type: ignore[method-assign]


@mutation
def a_redelivery_claims_nothing() -> None:
    """Only the end of a worker, or its own retry, opens its claims again."""
    from ml_service.storage import claiming

    claiming._CLAIM = replaced(claiming._CLAIM, "asked.redelivered OR ", "")


@mutation
def a_batch_fails_as_a_whole() -> None:
    """Nobody looks for the guilty input."""
    from ml_service.runtime.host.batch_run import BatchRun

    async def learn(self: Any, attempt: Any, done: int, code: str, _: float) -> None:
        self._last_cause = (code, "The model's process failed")
        self._plan.put_back(attempt)
        del done
        await self._give_up()
        self._plan.next()

    BatchRun._learn = learn  # type: ignore[method-assign,assignment]


@mutation
def a_claim_takes_any_version() -> None:
    """A worker trusts the message that says which version its predictions are of."""
    from ml_service.storage import claiming

    claiming._CLAIM = replaced(claiming._CLAIM, "AND p.version = $7", "AND $7::text IS NOT NULL")


@mutation
def no_version_is_watched() -> None:
    """Nobody looks after what waits for a version that no worker serves."""
    from ml_service.background.version_watch import VersionWatch

    VersionWatch.look = _nothing  # type: ignore[method-assign]


def replaced(text: str, old: str, new: str) -> str:
    """``text`` with ``old`` replaced; a mutation that no longer finds its place must not pass for one."""
    if old not in text:
        raise LookupError(old)
    return text.replace(old, new)


async def _nothing(*_: Any, **__: Any) -> None:
    pass

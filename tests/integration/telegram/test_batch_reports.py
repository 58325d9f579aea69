"""What a chat gets of its bulk jobs: from a real database, by an emulated Telegram."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import tracemalloc
from typing import Any

import pytest

from ml_service.background.bulk_feeder import BulkFeeder
from ml_service.domain.bulk import BulkStatus, Chunk
from ml_service.domain.ids import new_id
from ml_service.domain.ledger import Actor, ActorKind
from ml_service.domain.predictions import Source
from ml_service.storage import bulk_jobs, chat_deliveries
from ml_service.storage.finishing import Finish
from ml_service.usecases import telegram as use_cases
from services.bot import deliverer
from services.bot.deliverer import Deliverer
from services.bot.deps import Deps
from services.bot.views import files
from tests.support.play import Play
from tests.support.telegram import Call, Telegram, TelegramUser

CHUNK = 500
ROW_BYTES = 4000


class Job:
    """A bulk job that was asked for in a chat, and shown there as accepted."""

    def __init__(self, deps: Deps, play: Play, chat_id: int) -> None:
        self.id = new_id()
        self._deps, self._play, self._chat_id = deps, play, chat_id
        self._feeder = BulkFeeder(play.database, play.database, gone_s=3600, encode=lambda _: "{}")

    async def start(self, lines: int) -> None:
        async with self._play.database.begin() as session:
            chat = await use_cases.ensure_chat(session, self._chat_id, "en", starting_credits=0)
            self._play = Play(self._play.database, chat.user_id)
            assert await bulk_jobs.create(
                session,
                self.id,
                chat.user_id,
                Source.TELEGRAM,
                model="echo",
                version="1",
                pool="default",
                price_credits=1,
                open_max=10,
            )
            for number, first in enumerate(range(1, lines + 1, CHUNK)):
                numbers = list(range(first, min(first + CHUNK, lines + 1)))
                texts: list[str | None] = [f'{{"text": "row {line}"}}' for line in numbers]
                nothing: list[str | None] = [None] * len(numbers)
                await bulk_jobs.add_chunk(session, self.id, number, Chunk(numbers, nothing, texts, nothing))
            await bulk_jobs.start(
                session,
                self.id,
                chat.user_id,
                key=None,
                fingerprint=b"",
                notifies_chats=None,
                chat_id=self._chat_id,
            )
            owed = await chat_deliveries.add(session, self.id, chat.user_id, self._chat_id, 1, None, is_batch=True)
            await chat_deliveries.let_go(session, owed.id, None)

    async def stop(self, status: BulkStatus, error_code: str | None = None) -> None:
        actor = Actor(ActorKind.SYSTEM, "test")
        async with self._play.database.begin() as session:
            assert await bulk_jobs.stop(session, self.id, None, status, actor, error_code=error_code)
        await self._feeder.feed()

    async def finish(self, output: str) -> None:
        """Let the job's lines be fed and answered, until it has ended."""
        while True:
            await self._feeder.feed()
            async with self._play.database.autocommit() as session:
                job = await bulk_jobs.get(session, None, self.id)
                rows = await session.fetch("SELECT id FROM predictions WHERE finished_at IS NULL LIMIT 1000")
            assert job is not None
            if job.finished_at is not None:
                return
            claimed = await self._play.claim(*(row["id"] for row in rows))
            await self._play.finish(*(Finish(one.id, one.attempt, 1.0, output) for one in claimed))


@pytest.fixture
def job(deps: Deps, play: Play, anna: TelegramUser) -> Job:
    return Job(deps, play, anna.id)


async def deliver(deps: Deps, count: int = 1) -> list[Deliverer]:
    """Deliverers of as many processes; started."""
    found = [Deliverer(deps) for _ in range(count)]
    for one in found:
        await one.start()
    return found


def rows_of(document: Call) -> list[dict[str, str]]:
    ((_, content),) = document.files.values()
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (BulkStatus.CANCELED, None, "The batch was cancelled before the first answer. Nothing was charged."),
        (BulkStatus.FAILED, "version_gone", "The batch could not be processed: this version of the model is no longer"),
    ],
)
async def test_a_job_that_ended_before_anything_was_fed_is_told_as_what_it_was(
    deps: Deps, job: Job, anna: TelegramUser, status: BulkStatus, code: str | None, said: str
) -> None:
    await job.start(3)
    await job.stop(status, code)
    (sending,) = await deliver(deps)
    await anna.expect(said, timeout_s=10)
    await sending.close(5)
    assert anna.calls(method="sendDocument") == []


async def test_a_report_that_takes_longer_than_a_lease_is_sent_once(
    deps: Deps, job: Job, anna: TelegramUser, telegram: Telegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (chat_deliveries, deliverer):
        monkeypatch.setattr(module, "LEASE_S", 1.5, raising=False)
    await job.start(3)
    await job.finish('{"label": "positive"}')
    telegram.fault("delay", method="sendDocument", seconds=4)
    both = await deliver(deps, 2)
    await anna.expect("3 of 3 succeeded", timeout_s=20)
    await asyncio.sleep(1)
    for one in both:
        await one.close(5)
    (document,) = anna.calls(method="sendDocument")
    assert [(row["number"], row["input"], row["status"]) for row in rows_of(document)] == [
        (str(number), f"row {number}", "succeeded") for number in (1, 2, 3)
    ]
    assert len(anna.calls("3 of 3 succeeded")) == 1


async def test_a_report_of_many_rows_takes_little_memory(
    deps: Deps, job: Job, anna: TelegramUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def send_file(*_: Any, **__: Any) -> int:
        return 1

    monkeypatch.setattr(deps.sender, "send_file", send_file)
    lines = 5000
    await job.start(lines)
    await job.finish(json.dumps({"value": "x" * ROW_BYTES}))
    tracemalloc.start()
    try:
        (sending,) = await deliver(deps)
        await anna.expect("5,000 of 5,000 succeeded", timeout_s=60)
        await sending.close(5)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < lines * ROW_BYTES / 2


@pytest.mark.usefixtures("inbox")
async def test_what_one_file_has_no_room_for_comes_by_a_button(
    deps: Deps, job: Job, anna: TelegramUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "BYTES_MAX", 20_000)
    await job.start(1200)
    await job.finish('{"label": "positive"}')
    (sending,) = await deliver(deps)
    found = rows_of(await anna.expect(method="sendDocument"))
    shown = await anna.expect("1,200 of 1,200 succeeded")
    while "Next" in "".join(shown.buttons):
        assert len(found) < 1200
        await anna.tap(shown, "Next answers")
        found += rows_of(await anna.expect(method="sendDocument"))
        if len(found) < 1200:
            shown = await anna.expect("Telegram takes no larger files")
        else:
            break
    await sending.close(5)
    assert [(row["number"], row["input"]) for row in found] == [(str(line), f"row {line}") for line in range(1, 1201)]
    assert len(anna.calls(method="sendDocument")) > 2

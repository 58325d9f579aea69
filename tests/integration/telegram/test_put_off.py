"""An update that is put off after its request was accepted: when it is handled again, that stays accepted.

Telegram refuses the first message after the commit; in that moment the price, the schema or the list of models changes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from uuid import UUID

import pytest

from ml_service.domain.ledger import COMMAND_LINE
from ml_service.domain.models import ModelSpec
from ml_service.domain.predictions import Prediction
from ml_service.storage import batches
from ml_service.storage.database import Database, Session
from ml_service.usecases import ledger, models
from ml_service.usecases import telegram as use_cases
from services.bot.deps import Deps
from services.bot.failures import Later
from services.bot.views.view import View
from tests.support.play import Play, announce_served
from tests.support.telegram import Telegram, TelegramUser

Happens = Callable[[], Awaitable[None]]
OBJECT = {"type": "object", "additionalProperties": False}
TEXT = {"type": "string", "minLength": 1}
FILE = {"type": "string", "contentEncoding": "base64", "maxLength": 4000}
SCHEMAS = {
    "text": {**OBJECT, "properties": {"text": TEXT}, "required": ["text"]},
    "file": {**OBJECT, "properties": {"content": FILE}, "required": ["content"]},
    "form": {**OBJECT, "properties": {"a": TEXT, "b": {"enum": ["x", "y"]}}, "required": ["a", "b"]},
    "file in a form": {**OBJECT, "properties": {"a": TEXT, "b": FILE}, "required": ["a", "b"]},
}
NUMBERS = {**OBJECT, "properties": {"n": {"type": "integer"}, "m": {"type": "integer"}}, "required": ["n", "m"]}


def refuse_once(deps: Deps, monkeypatch: pytest.MonkeyPatch, words: str, happens: Happens) -> None:
    """Let something happen at the first message with these words, and have it come later."""
    refused: list[str] = []

    def refusing(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def called(*args: Any, **more: Any) -> Any:
            (view,) = (one for one in args if isinstance(one, View))
            if words in view.text and not refused:
                refused.append(view.text)
                await happens()
                raise Later(0.0, "Too Many Requests")
            return await call(*args, **more)

        return called

    for name in ("send", "edit"):
        monkeypatch.setattr(deps.sender, name, refusing(getattr(deps.sender, name)))


@pytest.fixture(params=["price", "schema", "model"])
def change(request: pytest.FixtureRequest, deps: Deps, database: Database) -> Happens:
    """What happens meanwhile."""

    async def happens() -> None:
        async with database.begin() as session:
            if request.param == "price":
                await models.set_price(session, "echo", 7)
            elif request.param == "model":
                await models.forget(session, "echo")
            else:
                await announce_served(session, ModelSpec("echo", "2", "", 1, NUMBERS, {}))
                await models.promote(session, "echo", "2", allow_unserved=True)
        await deps.catalog.refresh()

    return happens


async def text(anna: TelegramUser) -> None:
    await anna.send("a text")


async def text_of_a_command(anna: TelegramUser) -> None:
    await anna.send("/predict a text")


async def picture(anna: TelegramUser) -> None:
    sizes = [{"file_id": anna.telegram.put_file(b"PNG"), "file_unique_id": "a", "width": 1, "height": 1}]
    await anna.send_what(photo=sizes, caption="What is this?")


async def form(anna: TelegramUser) -> None:
    await anna.send("/predict")
    await anna.expect("field 1 of 2")
    await anna.send("a text")
    await anna.tap(await anna.expect("field 2 of 2"), "x")


async def file_in_a_form(anna: TelegramUser) -> None:
    await anna.send("/predict")
    await anna.expect("field 1 of 2")
    await anna.send("a text")
    await anna.expect("field 2 of 2")
    await anna.send_file("a.txt", b"a file")


async def batch(anna: TelegramUser) -> None:
    await anna.send("/batch one\ntwo")
    await anna.tap(await anna.expect("2 rows"), "Go")


async def bulk_job(anna: TelegramUser) -> None:
    await anna.send_file("a.txt", b"line\n" * 1001)
    await anna.tap(await anna.expect("1,001 rows"), "Go")


ASKED: Iterable[tuple[str, Callable[[TelegramUser], Awaitable[None]], int]] = (
    ("text", text, 1),
    ("text", text_of_a_command, 1),
    ("file", picture, 1),
    ("form", form, 1),
    ("file in a form", file_in_a_form, 1),
    ("text", batch, 2),
    ("text", bulk_job, 1001),
)


@pytest.mark.usefixtures("inbox")
@pytest.mark.parametrize(("kind", "ask", "cost"), ASKED, ids=lambda one: getattr(one, "__name__", ""))
async def test_what_was_accepted_is_not_judged_again(
    deps: Deps,
    database: Database,
    anna: TelegramUser,
    monkeypatch: pytest.MonkeyPatch,
    change: Happens,
    kind: str,
    ask: Callable[[TelegramUser], Awaitable[None]],
    cost: int,
) -> None:
    async with database.begin() as session:
        await announce_served(session, ModelSpec("echo", "1", "", 1, SCHEMAS[kind], {}))
    refuse_once(deps, monkeypatch, "Got it", change)
    await ask(anna)
    told = await anna.expect("Got it")
    assert f"Price: {cost:,} credit" in told.text
    before = len(anna.calls())
    await anna.send("/cancel")  # and no question is open
    assert (await anna.expect("to cancel")).text == "There is nothing to cancel."
    assert len(anna.calls()) == before + 1
    async with database.autocommit() as session:
        (row,) = await session.fetch("SELECT count(*) AS keys FROM idempotency_keys")
        (paid,) = await session.fetch("SELECT sum(amount) AS held FROM transactions WHERE kind = 'hold'")
    assert (row["keys"], paid["held"]) == (1, cost)


@pytest.mark.usefixtures("inbox", "echo")
async def test_a_bulk_job_that_was_accepted_is_followed_without_its_predictions(
    deps: Deps, anna: TelegramUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[UUID] = []

    async def nothing() -> None:
        return

    async def reading(_session: Session, _user_id: UUID, batch_id: UUID) -> list[Prediction]:
        read.append(batch_id)
        return []

    monkeypatch.setattr(batches, "without_texts", reading)
    refuse_once(deps, monkeypatch, "Got it", nothing)
    await bulk_job(anna)
    await anna.expect("Got it")
    assert read == []


@pytest.mark.usefixtures("inbox", "echo")
async def test_a_deletion_that_was_done_is_told(
    deps: Deps, database: Database, telegram: Telegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = telegram.person()

    async def nothing() -> None:
        return

    refuse_once(deps, monkeypatch, "Done.", nothing)
    await person.send("/delete_me")
    question = await person.expect("Delete everything")
    await person.tap(question, "Delete it all")
    await person.expect("Done.", method="editMessageText")
    await person.tap(question, "Delete it all")
    await person.expect_pop_up("This question is closed")
    async with database.autocommit() as session:
        (row,) = await session.fetch("SELECT count(*) AS deleted FROM users WHERE username LIKE 'deleted-%'")
        assert row["deleted"] == 1


@pytest.mark.usefixtures("inbox")
async def test_what_moved_to_a_linked_account_is_told_though_it_is_told_later(
    deps: Deps, database: Database, play: Play, anna: TelegramUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    principal = await play.principal()
    async with database.begin() as session:
        code = (await use_cases.issue_code(session, principal)).code
        chat = await use_cases.ensure_chat(session, anna.id, "en", starting_credits=0)
        await ledger.top_up(session, chat.own_user_id, 40, COMMAND_LINE)

    async def the_code_ends() -> None:
        async with database.begin() as session:
            await session.execute("UPDATE telegram_link_codes SET expires_at = now()")

    refuse_once(deps, monkeypatch, "now uses the account", the_code_ends)
    await anna.send(f"/link {code}")
    await anna.tap(await anna.expect("anna"), "Connect")
    told = await anna.expect("now uses the account", method="editMessageText")
    assert "Moved: 40 credits · balance: 140 credits" in told.text
    async with database.autocommit() as session:
        moves = await session.fetch("SELECT amount FROM transactions WHERE kind = 'transfer' ORDER BY id")
    assert [row["amount"] for row in moves] == [-40, 40]

"""Every command in both languages; filters; files. The journeys through them stand in `test_talks.py`."""

from __future__ import annotations

import csv
import io

import pytest

from services.bot.leading import COMMANDS
from tests.e2e.bot.world import World
from tests.nodes.telegram import Person

pytestmark = pytest.mark.asyncio(loop_scope="session")

SAYS = {
    "/start": ("Hello, Test!", "Здравствуйте, Test!"),
    "/help": ("What I can do", "Что я умею"),
    "/language": ("Which language shall I speak?", "На каком языке говорить?"),
    "/models": ("Models. Tap one to choose it.", "Модели. Нажмите, чтобы выбрать."),
    "/balance": ("starting credits · +100", "начальные кредиты · +100"),
    "/history": ("There is nothing here yet.", "Здесь пока ничего нет."),
    "/link": ("let the API make a code", "попросите у API код"),
    "/link abc": ("This code is wrong", "Код неверный"),
    "/unlink": ("This chat pays from its own account.", "Этот чат и так платит со своего счёта."),
    "/admin": ("This is for admins.", "Это для администраторов."),
    "/cancel": ("There is nothing to cancel.", "Отменять нечего."),
    "/batch": ("Send the texts, one a line", "Пришлите тексты, по одному в строке"),
    "/predict": ("Send the text for echo", "Пришлите текст для модели echo"),
    "/predict one": ("Accepted, about 1 second.", "Принято, ответ примерно через 1 секунду."),
    "/nonsense": ("I do not know this command.", "Такой команды я не знаю."),
    "/stop": ("I am silent now.", "Молчу."),
}


@pytest.mark.parametrize(("place", "language"), [(0, "en"), (1, "ru")])
async def test_every_command_answers_in_the_persons_language(world: World, place: int, language: str) -> None:
    assert {f"/{name}" for name in COMMANDS} <= set(SAYS)
    person = world.telegram.person(language)
    for command, says in SAYS.items():
        await person.send(command)
        await person.expect(says[place])


FAILED = """
    WITH failed AS (  -- echo never fails
        INSERT INTO predictions
            (id, user_id, model, version, status, source, cost, input, error_code, error_message, finished_at)
        SELECT gen_random_uuid(), user_id, 'echo', '1', 'failed', 'telegram', 0, '{"text": "неудачное"}', 'boom',
            'It <broke>.', now()
        FROM telegram_chats WHERE chat_id = $1
        RETURNING id, user_id
    )
    INSERT INTO transactions (user_id, kind, amount, prediction_id)
    SELECT user_id, kind, 0, id FROM failed CROSS JOIN (VALUES ('hold'), ('release')) AS k (kind)
"""


async def ask(person: Person, text: str) -> None:
    await person.send(text)
    await person.expect(text, method="editMessageText")


async def test_the_history_is_filtered(world: World) -> None:
    anna = world.telegram.person("ru")
    await ask(anna, "готовое")
    await world.sql(FAILED, anna.id)
    await anna.send("/history")
    page = await anna.expect("История, страница 1")
    assert "готовое" in page.text
    assert "неудачное" in page.text
    for label, there, missing in (
        ("✅ Готовые", ["готовое"], ["неудачное"]),
        ("❌ Неудачные", ["неудачное"], ["✅ 2"]),
        ("⏳ Открытые", ["Здесь пока ничего нет"], ["готовое", "неудачное"]),
        ("Все", ["готовое", "неудачное"], []),
    ):
        await anna.tap(page, label)
        page = await anna.expect("История", method="editMessageText")
        assert f"• {label}" in page.buttons
        assert all(word in page.text for word in there)
        assert not any(word in page.text for word in missing)
    await anna.tap(page, "неудачное")
    assert "It <broke>." in (await anna.expect("Не получилось", method="editMessageText")).text


async def test_a_text_file_becomes_a_batch_with_a_file_of_answers(world: World) -> None:
    john = world.telegram.person("en")
    texts = [f"line {number}, with; \"signs\" <b> & 'more'" for number in range(1, 41)]
    await john.send_file("Texts.TXT", "\r\n\r\n".join(texts).encode("utf-8-sig"))
    accepted = await john.expect("Accepted: 40 predictions")
    assert "They cost 40 credits; your balance is 60 credits" in accepted.text
    document = await john.expect(method="sendDocument")
    ((name, content),) = document.files.values()
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert name == "answers.csv"
    assert [(row["number"], row["input"], row["status"]) for row in rows] == [
        (str(number), text, "succeeded") for number, text in enumerate(texts, 1)
    ]
    summary = await john.expect("40 of 40 succeeded", method="editMessageText")
    assert summary.message_id == accepted.message_id
    assert "Paid: 40 credits" in summary.text


async def test_what_is_no_batch_is_told_and_costs_nothing(world: World) -> None:
    john = world.telegram.person("en")
    await john.send_file("empty.txt", b" \n\n")
    await john.expect("There is no text in it.")
    await john.send_file("long.txt", b"a\n" * 1001)
    await john.expect("1,001")
    await john.send_file("big.csv", b"a" * 1_000_001)
    await john.expect("1,000 KB")
    await john.send("/models")
    await john.tap(await john.expect("Models"), "survey")
    await john.expect("survey is chosen")
    await john.send_file("table.csv", b"count\n1\n")
    await john.expect("color")
    await john.send_file("survey.csv", "color;count;sure\nred;2;yes\n;;\ngreen;3;нет\n".encode("cp1251"))
    await john.expect("Accepted: 2 predictions")
    await john.expect("2 of 2 succeeded", method="editMessageText")
    inputs = [row["input"] for row in await world.predictions_of(john.id)]
    assert inputs[-2:] == ['{"color":"red","count":2,"sure":true}', '{"color":"green","count":3,"sure":false}']


async def test_profile_and_menu_are_set_in_both_languages(world: World) -> None:
    for method, field in (
        ("setMyCommands", "commands"),
        ("setMyDescription", "description"),
        ("setMyShortDescription", "short_description"),
    ):

        def said(method: str = method, field: str = field) -> dict[object, object]:
            calls = [call for call in world.telegram.calls if call.method == method and call.done]
            return {call.params.get("language_code"): call.params[field] for call in calls}

        await world.telegram.wait_for(lambda said=said: said().keys() == {None, "ru"}, method)
        assert said()[None] != said()["ru"]
        if field == "commands":
            for language in (None, "ru"):
                assert [one["command"] for one in said()[language]] == list(COMMANDS)  # type: ignore[attr-defined]

"""Every command in both languages; filters; files. The journeys through them stand in `test_talks.py`."""

from __future__ import annotations

import asyncio
import csv
import io
import signal
from collections.abc import Iterable, Iterator
from itertools import islice

import pytest

from services.bot.menu import COMMANDS
from tests.support.bot_world import World
from tests.support.telegram import Call, TelegramUser

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]  # people talk at Telegram's pace

SAYS = {
    "/start": ("Hello, Test!", "Здравствуйте, Test!"),
    "/START": ("Hello, Test!", "Здравствуйте, Test!"),
    "/start ref_summer": ("Hello, Test!", "Здравствуйте, Test!"),
    "/help": ("What I can do", "Что я умею"),
    "/language": ("Choose a language", "Выберите язык"),
    "/models": ("Models. Tap one to select it.", "Модели. Нажмите, чтобы выбрать."),
    "/balance": ("starting credits · +100", "стартовые кредиты · +100"),
    "/history": ("There is nothing here yet.", "Здесь пока ничего нет."),
    "/link": ("request a code from the API", "запросите у API код"),
    "/link abc": ("This code is wrong", "Код неверный"),
    "/unlink": ("This chat pays for itself already.", "Этот чат и так платит сам."),
    "/notify": ("First connect this chat", "Сначала подключите чат"),
    "/admin": ("This command is for admins.", "Эта команда для администраторов."),
    "/cancel": ("There is nothing to cancel.", "Отменять нечего."),
    "/batch": ("Send the texts, one per line", "Пришлите тексты, по одному в строке"),
    "/predict": ("Send the text for echo", "Пришлите текст для модели echo"),
    "/Predict one": ("should be here in about", "Ответ придёт примерно через"),
    "/nonsense": ("I do not know this command.", "Такой команды нет."),
    "/stop": ("No more messages.", "Больше не пишу."),
    "/delete_me": ("Delete everything I keep about you?", "Удалить всё, что я о вас храню?"),
}


async def test_every_command_answers_in_the_persons_language(world: World) -> None:
    assert {f"/{name}" for name in COMMANDS} <= set(SAYS)

    async def try_some(place: int, language: str, commands: tuple[str, ...]) -> None:
        person = world.telegram.person(language)
        for command in commands:
            await person.send(command)
            await person.expect(SAYS[command][place])

    # At once, since each chat gets one message a second.
    await asyncio.gather(
        *(
            try_some(place, language, commands)
            for place, language in enumerate(("en", "ru"))
            for commands in batched(SAYS, 5)
        )
    )


def batched(values: Iterable[str], size: int) -> Iterator[tuple[str, ...]]:
    """``itertools.batched`` of Python 3.12."""
    rest = iter(values)
    while some := tuple(islice(rest, size)):
        yield some


FAILED = """
    WITH failed AS (  -- echo never fails
        INSERT INTO predictions
            (id, user_id, model, version, status, source, cost, input, error_code, error_message, finished_at)
        SELECT gen_random_uuid(), user_id, 'echo', '1', 'failed', 'telegram', 0, '{"text": "неудачное"}', 'boom',
            'It <broke>.', now()
        FROM telegram_chats WHERE chat_id = $1
        RETURNING id, user_id
    )
    INSERT INTO transactions (user_id, kind, amount, prediction_id, actor_kind, actor_id)
    SELECT user_id, kind, 0, id, 'system', 'test' FROM failed CROSS JOIN (VALUES ('hold'), ('release')) AS k (kind)
"""


async def say_yes(person: TelegramUser, question: str) -> Call:
    """Say yes to a batch; what its message turns into."""
    await person.tap(await person.expect(question), "Go")
    return await person.expect("Got it", method="editMessageText")


async def ask(person: TelegramUser, text: str) -> None:
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
        ("❌ С ошибкой", ["неудачное"], ["✅ 2"]),
        ("⏳ В работе", ["Здесь пока ничего нет"], ["готовое", "неудачное"]),
        ("Все", ["готовое", "неудачное"], []),
    ):
        await anna.tap(page, label)
        page = await anna.expect("История", method="editMessageText")
        assert f"• {label}" in page.buttons
        assert all(word in page.text for word in there)
        assert not any(word in page.text for word in missing)
    await anna.tap(page, "неудачное")
    assert "It <broke>." in (await anna.expect("Ошибка", method="editMessageText")).text


ERASE = """
    UPDATE predictions SET input = 'null', output = 'null'
    WHERE user_id = (SELECT user_id FROM telegram_chats WHERE chat_id = $1)
"""


async def test_a_text_that_is_no_longer_kept_is_not_asked_again_by_an_old_button(world: World) -> None:
    anna = world.telegram.person("ru")
    await anna.send("секрет")
    answer = await anna.expect("секрет", method="editMessageText")
    assert any("Ещё раз" in label for label in answer.buttons)
    await world.sql(ERASE, anna.id)
    await anna.tap(answer, "Ещё раз")
    await anna.expect_pop_up("Текст больше не хранится")
    assert (await anna.expect(method="editMessageReplyMarkup")).buttons == {}
    await anna.send("/history")
    page = await anna.expect("История, страница 1")
    assert "Текст больше не хранится" in page.text
    await anna.tap(page, "Текст больше не")
    opened = await anna.expect("Текст больше не хранится", method="editMessageText")
    assert [label for label in opened.buttons if "Ещё раз" in label] == []
    assert "null" not in page.text + opened.text
    assert len(await world.predictions_of(anna.id)) == 1
    assert await world.balance_of(anna.id) == 99


async def test_a_text_file_becomes_a_batch_with_a_file_of_answers(world: World) -> None:
    john = world.telegram.person("en")
    texts = [f"line {number}, with; \"signs\" <b> & 'more'" for number in range(1, 41)]
    await john.send_file("Texts.TXT", "\r\n\r\n".join(texts).encode("utf-8-sig"))
    accepted = await say_yes(john, "Texts.TXT: 40 rows")
    assert "Price: 40 credits · balance: 60 credits" in accepted.text
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


TOP_UP = """
    WITH paid AS (
        UPDATE users SET balance = balance + 2000
        WHERE id = (SELECT user_id FROM telegram_chats WHERE chat_id = $1) RETURNING id
    )
    INSERT INTO transactions (user_id, kind, amount, actor_kind, actor_id)
    SELECT id, 'top_up', 2000, 'system', 'test' FROM paid
"""


async def test_a_long_file_becomes_a_bulk_job_with_a_file_of_answers(world: World) -> None:
    john = world.telegram.person("en")
    await john.send("/start")
    await john.expect("Hello")
    await world.sql(TOP_UP, john.id)
    texts = [f"line {number}" for number in range(1, 1201)]
    await john.send_file("long.txt", "\n".join(texts).encode())
    accepted = await say_yes(john, "long.txt: 1,200 rows")
    assert "Price: 1,200 credits · balance: 900 credits" in accepted.text
    document = await john.expect(method="sendDocument")
    ((_, content),) = document.files.values()
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert [(row["input"], row["status"]) for row in rows] == [(text, "succeeded") for text in texts]
    summary = await john.expect("1,200 of 1,200 succeeded", method="editMessageText")
    assert summary.message_id == accepted.message_id


async def test_an_invalid_batch_file_is_explained_and_costs_nothing(world: World) -> None:
    john = world.telegram.person("en")
    await john.send_file("empty.txt", b" \n\n")
    await john.expect("There are no texts here.")
    await john.send("/batch\n" + "a\n" * 1001)
    await john.expect("limit is 1,000.")
    await john.send_file("long.txt", b"a\n" * 100_001)
    await john.expect("limit is 100,000.")
    await john.send_file("big.csv", b"a" * 10_000_001)
    await john.expect("the limit is 10\xa0MB")
    await john.send("/models")
    await john.tap(await john.expect("Models"), "survey")
    await john.expect("Selected: survey")
    await john.send_file("table.csv", b"count\n1\n")
    await john.expect("color")
    await john.send_file("survey.csv", b"color;count;sure\nred;2;yes\n;;\nblue;0;no\n")
    wrong = await john.expect("1 row cannot be used. Nothing was charged.")
    assert "Row 4: color: must be one of: red, green; count: must be 1 or more" in wrong.text
    assert "survey.csv: 1 row" in wrong.text
    assert "Without them, 1 row can be sent." in wrong.text
    await john.tap(wrong, "Go")
    await john.expect("Got it", method="editMessageText")
    await john.expect("1 of 1 succeeded", method="editMessageText")
    await john.send_file("survey.csv", b"color;count;sure\nblue;0;no\n")
    assert "correct the file" in (await john.expect("1 row cannot be used")).text
    await john.send_file("survey.csv", "color;count;sure\nred;2;yes\n;;\ngreen;3;нет\n".encode("cp1251"))
    await say_yes(john, "survey.csv: 2 rows")
    await john.expect("2 of 2 succeeded", method="editMessageText")
    inputs = [row["input"] for row in await world.predictions_of(john.id)]
    red, green = '{"color":"red","count":2,"sure":true}', '{"color":"green","count":3,"sure":false}'
    assert inputs == [red, red, green]


async def test_who_wants_it_is_forgotten_and_gets_no_second_gift(world: World) -> None:
    john = world.telegram.person("en")
    await ask(john, "a secret of mine")
    await john.send("/delete_me")
    await john.tap(await john.expect("with 99 credits"), "No")
    await john.expect("Nothing was deleted", method="editMessageText")
    await john.send("/delete_me")
    await john.tap(await john.expect("with 99 credits"), "Delete it all")
    await john.expect("Done.", method="editMessageText")
    await john.send("/history")
    await john.expect("There is nothing here yet.")
    await john.send("/start")
    assert "0 credits" in (await john.expect("Hello")).text


async def test_a_batch_is_dropped_and_another_canceled(world: World) -> None:
    john = world.telegram.person("en")
    await john.send_file("texts.csv", b"id;text;answer\n1;first, one;x\n2;second;y\n")
    question = await john.expect("Column with the texts: text")
    await john.tap(question, "Use column: answer")
    question = await john.expect("Column with the texts: answer", method="editMessageText")
    await john.tap(question, "Cancel")
    await john.expect("Nothing was charged", method="editMessageText")
    await john.tap(question, "Go")
    await john.expect_pop_up("is closed")
    assert await world.predictions_of(john.id) == []
    world.programs[1].kill(signal.SIGSTOP)
    try:
        await john.send("/batch\n" + "\n".join("abcdefghi" * 10))
        accepted = await say_yes(john, "rows")
        await john.tap(accepted, "Cancel the batch")
        await john.expect_pop_up("predictions cancelled")
    finally:
        world.programs[1].kill(signal.SIGCONT)
    ended = await john.expect("The batch ", method="editMessageText")
    paid = sum(row["status"] == "succeeded" for row in await world.predictions_of(john.id))
    assert paid < 90
    said = f"is finished: {paid} of 90 succeeded" if paid else "was cancelled before the first answer"
    assert said in ended.text
    assert await world.balance_of(john.id) == 100 - paid


async def test_files_with_captions_pictures_albums_notices_and_edits(world: World) -> None:
    john = world.telegram.person("en")
    await john.send_file("lines.txt", b"one\ntwo\n", caption="/batch not this")
    assert "not this" not in (await john.expect("lines.txt: 2 rows")).text
    photo = [{"file_id": "p", "file_unique_id": "p", "width": 1, "height": 1}]
    await john.send_what(photo=photo, caption="the words below a picture")
    await john.expect("the words below a picture", method="editMessageText")
    for _ in range(5):
        await john.send_what(photo=photo, media_group_id="album")
    for notice in (
        {"pinned_message": {"message_id": 1, "date": 1, "chat": john.chat}},
        {"message_auto_delete_timer_changed": {"message_auto_delete_time": 5}},
    ):
        await john.send_what(**notice)
    number = await john.send("before")
    await john.expect("before", method="editMessageText")
    edited = {"message_id": number, "date": 1, "edit_date": 2, "from": john.sender, "chat": john.chat, "text": "after"}
    world.telegram.begin_ids_again(2)  # the emulator knows no such updates
    await world.telegram.update(edited_message=edited)
    await john.expect("send the corrected text as a new message")
    world.telegram.begin_ids_again(None)
    assert len(john.calls("I can read texts")) == 1
    topic = await john.send_what(text="in a topic", message_thread_id=77, is_topic_message=True)
    assert topic
    accepted = await john.expect("Got it", method="sendMessage")
    while accepted.params.get("message_thread_id") != "77":
        accepted = await john.expect("Got it", method="sendMessage")
    await john.expect("in a topic", method="editMessageText")


async def test_profile_and_menu_are_set_in_both_languages(world: World) -> None:
    for method, field in (
        ("setMyCommands", "commands"),
        ("setMyDescription", "description"),
        ("setMyShortDescription", "short_description"),
    ):

        def said(method: str = method, field: str = field) -> dict[object, object]:
            made = [call for call in world.telegram.calls if call.method == method and call.done]
            calls = [call for call in made if "scope" not in call.params]  # a chat has those of its language
            return {call.params.get("language_code"): call.params[field] for call in calls}

        await world.telegram.wait_for(lambda said=said: said().keys() == {None, "ru"}, method)
        assert said()[None] != said()["ru"]
        if field == "commands":
            for language in (None, "ru"):
                assert [one["command"] for one in said()[language]] == list(COMMANDS)  # type: ignore[attr-defined]


PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489") + b"\0" * 40


async def test_a_document_or_a_picture_is_what_a_model_for_files_is_asked_with(world: World) -> None:
    anna = world.telegram.person("en")
    await anna.send("/models")
    await anna.tap(await anna.expect("Models"), "file-type")
    await anna.expect("Selected: file-type. Send a file or a picture to get an answer.")
    await anna.send_file("table.csv", b"name,price\nchair,120\nlamp,45\n" * 20)
    answer = await anna.expect("file, 0.6\xa0KB", method="editMessageText")
    assert "csv" in answer.text
    sizes = [{"file_id": world.telegram.put_file(PNG), "file_unique_id": "a", "width": 1, "height": 1, "file_size": 73}]
    sizes.append({"file_id": "too-large", "file_unique_id": "b", "width": 9, "height": 9, "file_size": 10**6})
    await anna.send_what(photo=sizes, caption="What is this?")
    assert "png" in (await anna.expect("file, 0.1\xa0KB", method="editMessageText")).text
    await anna.send_file("film.mkv", b"0" * 45_001)
    await anna.expect("The file is too big; the limit is 45\xa0KB.")
    await anna.send("/predict")
    await anna.expect("Send a file or a picture.")
    await anna.send_file("a.png", PNG)
    await anna.expect("file, 0.1\xa0KB", method="editMessageText")
    assert await world.balance_of(anna.id) == 97

"""Every command, in both languages, with the real bot, app, worker and database."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from tests.support.bot_world import World, both_queues
from tests.support.telegram import TelegramUser

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]  # people talk at Telegram's pace


async def test_a_person_is_greeted_and_has_credits(world: World) -> None:
    anna = world.telegram.person("ru", "Анна <b>")
    await anna.send("/start")
    greeting = await anna.expect("Здравствуйте, Анна <b>!")
    assert "100 кредитов" in greeting.text
    assert "/help" in greeting.text
    john = world.telegram.person("en-GB")
    await john.send("/start")
    assert "100 credits" in (await john.expect("Hello")).text


@both_queues
async def test_a_text_is_accepted_at_once_and_turns_into_its_answer(world: World) -> None:
    anna = world.telegram.person("ru")
    await anna.send("/predict Отличный сервис")
    accepted = await anna.expect("Принято")
    assert "Цена: 1 кредит · баланс: 99 кредитов" in accepted.text
    assert "секунд" in accepted.text
    answer = await anna.expect("Отличный сервис", method="editMessageText")
    assert answer.message_id == accepted.message_id
    assert "echo" in answer.text
    (row,) = await world.predictions_of(anna.id)
    assert (row["source"], row["status"]) == ("telegram", "succeeded")
    await anna.send("/predict")
    await anna.expect("Пришлите текст для модели echo")
    await anna.send("просто текст")
    await anna.expect("просто текст", method="editMessageText")
    assert await world.balance_of(anna.id) == 98


async def test_sentiment_is_well_laid_out(world: World) -> None:
    john = world.telegram.person("en")
    await john.send("/models")
    listed = await john.expect("Models")
    assert "Says <b>its input</b> again." in listed.text
    await john.tap(listed, "sentiment")
    await john.expect("Selected: sentiment")
    await john.send("What a wonderful day, excellent service!")
    answer = await john.expect("What a wonderful", method="editMessageText")
    assert "🙂 positive" in answer.text
    assert "█" in answer.text
    assert "%" in answer.text
    assert "sentiment 2." in answer.text


async def test_balance_history_again_and_filters(world: World) -> None:
    john = world.telegram.person("en")
    for number in range(6):
        await john.send(f"text {number}")
        await john.expect(f"text {number}", method="editMessageText")
    await john.send("/balance")
    balance = await john.expect("Balance: 94 credits")
    assert "starting credits" in balance.text
    await john.send("/history")
    page = await john.expect("History, page 1")
    assert "text 5" in page.text
    assert "text 0" not in page.text
    await john.tap(page, "Older")
    older = await john.expect("page 2", method="editMessageText")
    assert "text 0" in older.text
    await john.tap(older, "Newer")
    page = await john.expect("page 1", method="editMessageText")
    await john.tap(page, "Failed")
    await john.expect("There is nothing here yet", method="editMessageText")
    await john.tap(page, "text 4")
    opened = await john.expect("text 4", method="editMessageText")
    await asyncio.gather(*(john.tap(opened, "Again") for _ in range(4)))  # a nervous finger
    await john.expect("Got it")
    await john.expect("text 4", method="editMessageText")
    await john.tap(opened, "Back")
    await john.expect("page 1", method="editMessageText")
    assert [row["status"] for row in await world.predictions_of(john.id)] == ["succeeded"] * 7
    assert await world.balance_of(john.id) == 93


async def test_a_form_is_asked_field_by_field(world: World) -> None:
    anna = world.telegram.person("ru")
    await anna.send("/models")
    await anna.tap(await anna.expect("Модели"), "survey")
    await anna.expect("Выбрана модель survey")
    await anna.send("/predict")
    color = await anna.expect("поле 1 из 4: color")
    await anna.tap(color, "green")
    await anna.tap(color, "red")  # too late
    await anna.expect("поле 2 из 4: count")
    await anna.send("много")
    await anna.expect("Это не целое число")
    await anna.send("3")
    await anna.tap(await anna.expect("поле 3 из 4: sure"), "да")
    await anna.tap(await anna.expect("поле 4 из 4: comment"), "Пропустить")
    await anna.expect("2 кредита")
    answer = await anna.expect("said", method="editMessageText")
    assert '"color":"green","count":3,"sure":true' in answer.text
    await anna.send('{"color": "blue"}')
    await anna.expect("не хватает поля count")
    await anna.send("/predict")
    await anna.expect("поле 1 из 4")
    await anna.send("/cancel")
    await anna.expect("Отменено")
    assert await world.balance_of(anna.id) == 98


@both_queues
async def test_a_batch_gives_a_summary_and_a_file(world: World) -> None:
    john = world.telegram.person("en")
    await john.send("/batch")
    await john.expect("Send the texts")
    await john.send("one\n\n two \n=three")
    question = await john.expect("3 rows")
    assert "Price: 3 credits · balance: 100 credits" in question.text
    await asyncio.gather(*(john.tap(question, "Go") for _ in range(3)))  # a nervous finger
    accepted = await john.expect("Got it: 3 predictions", method="editMessageText")
    assert accepted.message_id == question.message_id
    document = await john.expect(method="sendDocument")
    (name, content) = next(iter(document.files.values()))
    assert name == "answers.csv"
    assert "two" in content.decode("utf-8-sig")
    assert "'=three" in content.decode()
    await john.expect("3 of 3 succeeded", method="editMessageText")
    await john.send_file("texts.csv", "text;id\nпервый;1\nвторой;2\n".encode("cp1251"))
    question = await john.expect("texts.csv: 2 rows")
    assert "Column with the texts: text" in question.text
    await john.tap(question, "Go")
    document = await john.expect(method="sendDocument")
    assert "второй" in next(iter(document.files.values()))[1].decode()
    await john.send_file("texts.pdf", b"%PDF")
    await john.expect("only read .txt and .csv files")
    assert await world.balance_of(john.id) == 95


async def hears_of_requests_by_the_api(john: TelegramUser, client: httpx2.AsyncClient) -> None:
    """Where the request says so, and where the account does."""
    asked = {"model": "echo", "text": "asked by the API", "notify": ["telegram"]}
    assert (await client.post("/predictions/predict", json=asked)).status_code == 202
    answer = await john.expect("asked by the API", method="sendMessage")
    assert "🔁 Again" in answer.buttons
    await john.send("/notify")
    await john.tap(await john.expect("Should answers"), "Yes")
    await john.expect("will come to this chat", method="editMessageText")
    batch = {"items": [{"model": "echo", "text": "one"}, {"model": "echo", "text": "two"}]}
    assert (await client.post("/predictions/batch", json=batch)).status_code == 202
    await john.expect(method="sendDocument")
    await john.expect("2 of 2 succeeded", method="sendMessage")
    wrong = {"model": "echo", "text": "x", "notify": ["email"]}
    assert (await client.post("/predictions/predict", json=wrong)).status_code == 422


async def test_a_chat_is_connected_to_an_account_of_the_api(world: World) -> None:
    john = world.telegram.person("en")
    await john.send("/link")
    await john.expect("POST /users/me/telegram")
    await world.sql(
        "WITH bought AS (UPDATE users SET balance = balance + 40 WHERE username = $1 RETURNING id)"
        " INSERT INTO transactions (user_id, kind, amount, actor_kind, actor_id)"
        " SELECT id, 'top_up', 40, 'system', 'test' FROM bought",
        f"telegram_{john.id}",
    )
    async with httpx2.AsyncClient(base_url=world.api) as client:
        account = {"username": f"john{john.id}", "password": "a quiet green river"}
        assert (await client.post("/users", json=account)).status_code == 201
        token = (await client.post("/token", data=account)).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        made = await client.post("/users/me/telegram")
        assert made.status_code == 201, made.text
        code = made.json()
        assert code["deep_link"].endswith(f"?start={code['code']}")
        await john.send("/link wrong")
        await john.expect("This code is wrong")
        await john.send(f"/start {code['code']}")
        question = await john.expect(f"Connect this chat to the account john{john.id}?")
        assert "the credits bought here move there: 40 credits." in question.text
        assert (await client.get("/users/me/telegram")).json() == {"chats": 0}
        assert (await client.get("/balance")).json()["balance"] == 100  # nothing has moved yet
        mary = world.telegram.person("en")
        await mary.send("/start")
        await mary.tap(await mary.expect("Hello"), "Connect", of=question)
        await mary.expect_pop_up("is closed")
        await john.tap(question, f"Connect to john{john.id}")
        await john.tap(question, f"Connect to john{john.id}")  # a nervous finger
        connected = await john.expect("now uses the account", method="editMessageText")
        assert connected.message_id == question.message_id
        assert connected.buttons == {}
        assert "Moved: 40 credits · balance: 140 credits" in connected.text
        await john.expect_pop_up("is closed")
        assert (await client.get("/balance")).json()["balance"] == 140
        assert (await client.get("/users/me/telegram")).json() == {"chats": 1}
        await john.send("paid by the account")
        await john.expect("paid by the account", method="editMessageText")
        assert (await client.get("/balance")).json()["balance"] == 139
        moved = [one for one in (await client.get("/transactions")).json()["items"] if one["kind"] == "transfer"]
        assert [one["change"] for one in moved] == [40]
        await hears_of_requests_by_the_api(john, client)
    await mary.send(f"/link {code['code']}")  # it was for once
    await mary.expect("This code is wrong")
    await john.send(f"/start {code['code']}")  # the link is opened again
    await john.expect("This chat uses the account")
    await john.send("/unlink")
    await john.expect("balance: 100 credits")


async def test_an_account_is_connected_neither_after_a_no_nor_by_a_second_chat(world: World) -> None:
    anna, mary = world.telegram.person("ru"), world.telegram.person("en")
    async with httpx2.AsyncClient(base_url=world.api) as client:
        account = {"username": f"anna{anna.id}", "password": "a quiet green river"}
        await client.post("/users", json=account)
        token = (await client.post("/token", data=account)).json()["access_token"]
        made = await client.post("/users/me/telegram", headers={"Authorization": f"Bearer {token}"})
    code = made.json()["code"]
    await anna.send(f"/link {code}")
    question = await anna.expect(f"Подключить этот чат к аккаунту anna{anna.id}?")
    await anna.tap(question, "Нет")
    await anna.expect("Ничего не изменилось", method="editMessageText")
    await anna.tap(question, "Подключить")
    await anna.expect_pop_up("уже закрыт")
    for person, words in ((anna, "Подключить этот чат"), (mary, "Connect this chat")):
        await person.send(f"/link {code}")
        await person.expect(words)
    first, second = anna.calls("Подключить этот чат")[-1], mary.calls("Connect this chat")[-1]
    await anna.tap(first, "Подключить")
    await anna.expect("Теперь чат подключён", method="editMessageText")
    await mary.tap(second, "Connect")
    await mary.expect("This code is wrong", method="editMessageText")
    assert await world.balance_of(mary.id) == 100
    assert await world.balance_of(anna.id) == 100


async def test_language_help_stop_and_the_unknown(world: World) -> None:
    john = world.telegram.person("de")
    await john.send("/language")
    await john.tap(await john.expect("Choose a language"), "Русский")
    await john.expect("Теперь пишу по-русски")
    await john.send("/help")
    help_ = await john.expect("Что я умею")
    for command in ("/predict", "/batch", "/history", "/balance", "/models", "/link", "/language", "/cancel", "/stop"):
        assert command in help_.text
    await john.send("/nonsense")
    await john.expect("Такой команды нет")
    await john.send("/cancel")
    await john.expect("Отменять нечего")
    await john.send("/stop")
    await john.expect("Больше не пишу")
    await john.send("/start")
    await john.expect("Здравствуйте")
    (row,) = await world.sql("SELECT * FROM telegram_chats WHERE chat_id = $1", john.id)
    assert (row["language"], row["stopped_at"]) == ("ru", None)


@both_queues
async def test_admins_see_the_service_and_others_do_not(world: World) -> None:
    john = world.telegram.person("en")
    await john.send("/admin")
    await john.expect("for admins")
    await world.sql("UPDATE users SET is_admin = true WHERE username = $1", f"telegram_{john.id}")
    await john.send("/admin")
    shown = await john.expect("Service")
    assert "Workers: 1" in shown.text
    assert "echo" in shown.text


@pytest.mark.parametrize(
    "text",
    [
        "a\0b",
        "<b>bold",
        "</i> &amp; <script>alert(1)</script>",
        "`*_[x](y)",
        "\u202eright to left",
        "😀" * 2000,
        "a<" * 2400,
    ],
)
async def test_no_text_breaks_a_message(world: World, text: str) -> None:
    john = world.telegram.person("en", text[:20])
    await john.send("/start")
    await john.expect("Hello")
    await john.send(text)
    await john.expect("Got it")
    await john.expect("echo", method="editMessageText")
    assert [call for call in john.calls() if not call.done] == []


async def test_a_text_that_spells_nul_silences_nobody(world: World) -> None:
    john, mary = world.telegram.person("en"), world.telegram.person("en", "\\u0000 \\")
    await john.send("\\u0000 \\")
    await mary.send("/start")
    assert "\\u0000 \\" in (await mary.expect("Hello")).text
    await john.send("and now?")
    await john.expect("and now?", method="editMessageText")


@both_queues
async def test_twelve_people_at_once_get_their_own_answers_in_order(world: World) -> None:
    people = [world.telegram.person("ru" if number % 2 else "en") for number in range(12)]
    await asyncio.gather(*(one.send(f"first {one.id}") for one in people))
    await asyncio.gather(*(one.send(f"second {one.id}") for one in people))
    for one in people:
        first = await one.expect(f"first {one.id}", method="editMessageText")
        second = await one.expect(f"second {one.id}", method="editMessageText")
        assert first.message_id < second.message_id
        rows = await world.predictions_of(one.id)
        assert [row["input"] for row in rows] == [f'{{"text":"{word} {one.id}"}}' for word in ("first", "second")]


async def test_a_failed_action_is_explained_and_does_not_stop_the_chat(world: World) -> None:
    anna = world.telegram.person("ru")
    await anna.send("a message with a number that no database takes", message_id=2**63)
    await anna.send("and the next one")
    await anna.expect("Что-то пошло не так")
    await anna.expect("and the next one", method="editMessageText")


async def test_credits_end(world: World) -> None:
    john = world.telegram.person("en")
    await john.send("/batch\n" + "\n".join(f"line {number}" for number in range(100)))
    question = await john.expect("100 rows")
    await john.tap(question, "Go")
    await john.expect("balance: 0 credits", method="editMessageText")
    await john.send("one more")
    await john.expect("Not enough credits. Price: 1 credit · balance: 0 credits")
    await john.send("/batch one\ntwo")
    poor = await john.expect("too low for this batch")
    assert not [label for label in poor.buttons if "Go" in label]
    await john.expect("100 of 100 succeeded", method="editMessageText")
    await john.send("/balance")
    assert "prediction, 100 times · −100" in (await john.expect("Balance: 0 credits")).text


async def test_health_says_that_it_polls(world: World) -> None:
    async with httpx2.AsyncClient() as client:
        health = await client.get(f"http://127.0.0.1:{world.bot_port}/health")
    assert (health.status_code, health.json()["state"]) == (200, "polling")

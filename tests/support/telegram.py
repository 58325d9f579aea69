"""Telegram for tests: a Bot API emulator that others wrote, behind a proxy that records, refuses and fails on demand.

    test → Telegram (this file) ← HTTP ← the real bot process
              └→ lo-bot-api-emulator, over HTTP

Both run in the test's own event loop. `TelegramUser` plays somebody in a private chat.
"""

from __future__ import annotations

import asyncio
import fnmatch
import itertools
import json
import time
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
from aiohttp import web
from lo_bot_api_emulator import LoBotApiEmulator

from tests.support.telegram_rules import Screen, read_html

TOKEN = "4242:test-token_as-long-as-BotFathers-are"
USERNAME = "ml_service_test_bot"
PATIENCE_S = 60.0
"""For what takes a second or two on an idle machine."""
# Valid fields that the emulator does not know and that change nothing a test can see.
UNKNOWN_FIELDS = {"link_preview_options", "disable_web_page_preview", "protect_content", "message_thread_id"}
# Methods that it does not model; the real one answers true.
UNMODELED = {"setMyDescription", "setMyShortDescription"}
JSON_FIELDS = {"reply_markup", "commands", "reply_parameters", "allowed_updates"}
_numbers = itertools.count(1000)


@dataclass
class Call:
    """Something that the bot asked of Telegram."""

    number: int
    method: str
    chat_id: int | None
    params: dict[str, Any]
    files: dict[str, tuple[str, bytes]]
    at: float = field(default_factory=time.monotonic)
    status: int = 0
    answer: dict[str, Any] = field(default_factory=dict)
    fault: str | None = None

    @property
    def done(self) -> bool:
        """Whether it took effect, told or not."""
        return self.status == 200

    @property
    def text(self) -> str:
        """What a person reads."""
        return read_html(str(self.params.get("text", "")))[0]

    @property
    def message_id(self) -> int:
        """Of the message sent or edited."""
        return int(self.params.get("message_id") or self.answer["result"]["message_id"])

    @property
    def buttons(self) -> dict[str, str]:
        """What stands on the buttons → what a tap sends."""
        rows = (self.params.get("reply_markup") or {}).get("inline_keyboard", [])
        return {button["text"]: button["callback_data"] for row in rows for button in row}


@dataclass
class Fault:
    """What to do to calls that fit, so many ``times`` (-1: always).

    ``kind``: error (code, retry_after), html (code), drop (not done, connection cut), drop_after (done, then cut),
    delay (seconds), hang_after (done, then silent for seconds).
    """

    kind: str
    method: str = "*"
    chat_id: int | None = None
    contains: str = ""
    times: int = 1
    code: int = 500
    description: str = "Internal Server Error"
    retry_after: int | None = None
    migrate_to_chat_id: int | None = None
    seconds: float = 0.0
    hits: int = 0


class Telegram:
    """Emulator and proxy; an async context."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.screen = Screen()
        self.emulator = LoBotApiEmulator(
            max_assets=5000, max_updates=5000, max_history=100, allow_insecure_loopback_webhooks=True
        )
        self._changed = asyncio.Condition()
        self._runners: list[web.AppRunner] = []
        self.url = ""
        self._upstream = ""
        self._files: dict[str, bytes] = {}
        self._again: list[dict[str, Any]] | None = None
        self._next_id = 0

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True))
        self._upstream = await self._listen(self.emulator.app())
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_get("/file/bot{token}/{path:.*}", self._file)
        app.router.add_route("*", "/bot{token}/{method}", self._call)
        self.url = await self._listen(app)
        return self

    async def _listen(self, app: web.Application) -> str:
        # handler_cancellation: a bot that dies in mid-poll must free the emulator's poll at once.
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1)
        await runner.setup()
        self._runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()
        for runner in reversed(self._runners):
            await runner.cleanup()

    # The bot's side.

    async def _call(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        fields, files = await self._read(request)
        readable = {name: json.loads(value) if name in JSON_FIELDS else value for name, value in fields.items()}
        chat = fields.get("chat_id")
        call = Call(len(self.calls), method, int(chat) if chat else None, readable, files)
        if method == "getUpdates":
            await self._note(call)  # a poll is noted when it begins: tests wait for it
        fault = self._fault_of(call)
        if fault is not None:
            call.fault = fault.kind
            if fault.kind == "delay":
                await asyncio.sleep(fault.seconds)
            elif not fault.kind.endswith("_after"):
                return await self._fail(request, call, fault)
        doing = self._carry_out(call, fields, files, request.match_info["token"])
        if method == "getUpdates":
            await doing
        else:
            await asyncio.shield(asyncio.create_task(doing))  # what was asked is done, even where who asked has died
        if call.fault == "drop_after":
            return self._cut(request)
        if fault is not None and fault.kind == "hang_after":
            await asyncio.sleep(fault.seconds)
        return web.json_response(call.answer, status=call.status)

    async def _carry_out(
        self, call: Call, fields: dict[str, Any], files: dict[str, tuple[str, bytes]], token: str
    ) -> None:
        call.status, call.answer = await self._answer(call.method, fields, files, token)
        if call.status == 200:
            self.screen.note(call.method, fields, call.answer.get("result"))
        if call.method != "getUpdates":
            await self._note(call)

    @staticmethod
    async def _read(request: web.Request) -> tuple[dict[str, Any], dict[str, tuple[str, bytes]]]:
        fields: dict[str, Any] = dict(request.query)
        files: dict[str, tuple[str, bytes]] = {}
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                files[name] = value.filename, value.file.read()
            else:
                fields[name] = value
        return fields, files

    async def _answer(
        self, method: str, fields: dict[str, Any], files: dict[str, tuple[str, bytes]], token: str
    ) -> tuple[int, dict[str, Any]]:
        if why := self.screen.refusal(method, fields):
            return 400, {"ok": False, "error_code": 400, "description": why}
        if method in UNMODELED:
            return 200, {"ok": True, "result": True}
        if method == "getFile":
            path = f"documents/{fields['file_id']}"
            return 200, {"ok": True, "result": {"file_id": "f", "file_unique_id": "u", "file_path": path}}
        if method == "getUpdates" and self._again is not None:
            return 200, {"ok": True, "result": await self._poll_again(int(fields.get("offset", 0)))}
        form = aiohttp.FormData(quote_fields=False)
        for name, value in fields.items():
            if name not in UNKNOWN_FIELDS:
                form.add_field(name, value)
        for name, (filename, content) in files.items():
            form.add_field(name, content, filename=filename)
        async with self._http.post(f"{self._upstream}/bot{token}/{method}", data=form) as answer:
            body = await answer.json()
        if method == "getMe" and body["ok"]:
            body["result"]["username"] = USERNAME  # the emulator's bot has none
        return answer.status, body

    async def _fail(self, request: web.Request, call: Call, fault: Fault) -> web.StreamResponse:
        call.status = 0 if fault.kind == "drop" else fault.code
        if call.method != "getUpdates":
            await self._note(call)
        if fault.kind == "drop":
            return self._cut(request)
        if fault.kind == "html":
            return web.Response(status=fault.code, text="<html><h1>Bad Gateway</h1></html>", content_type="text/html")
        body: dict[str, Any] = {"ok": False, "error_code": fault.code, "description": fault.description}
        asked = {"retry_after": fault.retry_after, "migrate_to_chat_id": fault.migrate_to_chat_id}
        if parameters := {name: value for name, value in asked.items() if value is not None}:
            body["parameters"] = parameters
        return web.json_response(body, status=fault.code)

    @staticmethod
    def _cut(request: web.Request) -> web.Response:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    async def _file(self, request: web.Request) -> web.Response:
        return web.Response(body=self._files[request.match_info["path"].removeprefix("documents/")])

    def _fault_of(self, call: Call) -> Fault | None:
        for fault in self.faults:
            if (
                fault.times != 0
                and fnmatch.fnmatchcase(call.method, fault.method)
                and fault.chat_id in (None, call.chat_id)
                and fault.contains in str(call.params.get("text", ""))
            ):
                fault.times -= 1
                fault.hits += 1
                return fault
        return None

    async def _note(self, call: Call) -> None:
        async with self._changed:
            call.number, call.at = len(self.calls), time.monotonic()
            self.calls.append(call)
            self._changed.notify_all()

    # The test's side.

    async def update(self, **update: Any) -> int:
        """Somebody did something; the update's id."""
        if query := update.get("callback_query"):
            self.screen.taps.add(query["id"])
        if self._again is not None:
            return self.inject(update)
        return int(await self.emulator.enqueue_update(update, token=TOKEN))

    def begin_ids_again(self, first: int | None) -> None:
        """Give updates ids from here on, whatever they were before, as after a quiet week; None: as before."""
        self._again, self._next_id = (None, 0) if first is None else ([], first)

    def inject(self, update: dict[str, Any]) -> int:
        """Give an update that the emulator would not take, after `begin_ids_again`; its id."""
        assert self._again is not None
        self._again.append({"update_id": self._next_id, **update})
        self._next_id += 1
        return self._next_id - 1

    async def _poll_again(self, offset: int) -> list[dict[str, Any]]:
        """Updates confirmed by an offset of these ids are dropped; one of the ids before confirms nothing."""
        until = time.monotonic() + 2
        while self._again is not None:
            if offset <= self._next_id:
                self._again = [update for update in self._again if update["update_id"] >= offset]
            if self._again or time.monotonic() > until:
                return self._again[:100]
            await asyncio.sleep(0.05)
        return []

    def put_file(self, content: bytes) -> str:
        """Upload a file; its id."""
        file_id = f"file{next(_numbers)}"
        self._files[file_id] = content
        return file_id

    def fault(self, kind: str, **options: Any) -> Fault:
        """Add a fault."""
        made = Fault(kind, **options)
        self.faults.append(made)
        return made

    async def wait_for(self, fits: Any, what: str, timeout_s: float = PATIENCE_S) -> Any:
        """Wait until ``fits()`` is something, looking after each call of the bot."""
        async with self._changed:
            try:
                async with asyncio.timeout(timeout_s):
                    while not (found := fits()):
                        await self._changed.wait()
            except TimeoutError:
                said = [(call.method, call.status, call.fault, call.params.get("text")) for call in self.calls[-25:]]
                raise AssertionError(f"no {what}; the bot's last calls: {said}") from None
        return found

    def person(self, language: str = "en", name: str = "Test") -> TelegramUser:
        """Somebody new."""
        return TelegramUser(self, next(_numbers), language, name)


class TelegramUser:
    """Somebody in a private chat with the bot."""

    def __init__(self, telegram: Telegram, person_id: int, language: str, name: str) -> None:
        self.telegram, self.id = telegram, person_id
        self.sender = {"id": person_id, "is_bot": False, "first_name": name, "language_code": language}
        self.chat = {"id": person_id, "type": "private", "first_name": name}
        self.read: set[int] = set()
        self.taps: set[str] = set()

    async def send(self, text: str, message_id: int | None = None) -> int:
        """Write to the bot; the message's id."""
        return await self._send(message_id, text=text)

    async def send_what(self, **what: Any) -> int:
        """Send a message with these fields of the Bot API."""
        return await self._send(None, **what)

    async def send_file(self, name: str, content: bytes, **more: Any) -> int:
        """Send a document."""
        file_id = self.telegram.put_file(content)
        document = {"file_id": file_id, "file_unique_id": file_id, "file_name": name, "file_size": len(content)}
        return await self._send(None, document=document, **more)

    async def send_in(self, group_id: int, text: str, **more: Any) -> int:
        """Write in a group."""
        return await self._send(None, chat={"id": group_id, "type": "supergroup", "title": "Group"}, text=text, **more)

    async def _send(self, message_id: int | None, **what: Any) -> int:
        message_id = message_id or next(_numbers) + 10**6
        message = {"message_id": message_id, "date": int(time.time()), "from": self.sender, "chat": self.chat, **what}
        await self.telegram.update(message=message)
        return message_id

    async def tap(self, call: Call, label: str, of: Call | None = None) -> None:
        """Tap the button whose text contains ``label``; ``of``: send what this other message's button would."""
        data = next(data for text, data in (of or call).buttons.items() if label in text)
        message = {"message_id": call.message_id, "date": int(time.time()), "chat": self.chat, "text": call.text}
        query = {
            "id": str(next(_numbers) + 2 * 10**6),
            "from": self.sender,
            "chat_instance": str(self.id),
            "data": data,
            "message": {**message, "reply_markup": call.params.get("reply_markup") or {"inline_keyboard": []}},
        }
        self.taps.add(query["id"])
        await self.telegram.update(callback_query=query)

    async def expect_pop_up(self, contains: str) -> None:
        """Wait until one of this person's taps is answered with a line that contains this."""

        def said() -> bool:
            answers = [call.params for call in self.telegram.calls if call.method == "answerCallbackQuery"]
            return any(one["callback_query_id"] in self.taps and contains in one.get("text", "") for one in answers)

        await self.telegram.wait_for(said, f"pop-up with {contains!r} to {self.id}")

    async def expect(self, contains: str = "", method: str = "*", timeout_s: float = PATIENCE_S) -> Call:
        """The first unread call to this chat that took effect and whose text contains this; others are left unread."""

        def unread() -> Call | None:
            for call in self.calls(contains, method):
                if call.number not in self.read and call.done:
                    self.read.add(call.number)
                    return call
            return None

        found: Call = await self.telegram.wait_for(unread, f"{method} with {contains!r} to {self.id}", timeout_s)
        return found

    def calls(self, contains: str = "", method: str = "*") -> list[Call]:
        """All calls to this chat, refused ones too."""
        return [
            call
            for call in self.telegram.calls
            if call.chat_id == self.id and fnmatch.fnmatchcase(call.method, method) and contains in call.text
        ]

    def shown(self) -> list[str]:
        """What the chat shows now, oldest first."""
        return [
            read_html(text)[0] for (chat, _), (text, _) in self.telegram.screen.messages.items() if chat == str(self.id)
        ]

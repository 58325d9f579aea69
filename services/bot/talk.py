"""One update's conversation: the chat, its language, and how to answer. Handlers get one as ``talk``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from ml_service.domain.models import ListedModel
from ml_service.storage.chats import Chat
from services.bot.deps import Deps
from services.bot.phrases import Html, Phrases, phrases
from services.bot.views.view import View

Dialog = dict[str, Any]


@dataclass(slots=True)
class Talk:
    """What a handler works with.

    ``language``, ``model`` and ``dialog`` are stored when the update is handled, in the commit that says so: a
    repetition after a crash begins from where this one began.

    Attributes:
        message_id: The person's message, or the bot's one under which a button was tapped.
        key: Names what the person did: the Idempotency-Key of what it asks for.
        group_id: The group in which the person asked, where it was not the private chat; what is said goes there.
        thread_id: The topic in which the person wrote, where the chat has topics.
        attempts: How often the update was taken, this time included.
        holding: Deliveries that wait for their "accepted" to be shown.
    """

    deps: Deps
    chat: Chat
    message_id: int
    key: str
    language: str
    model: str | None
    dialog: Dialog | None
    query_id: str | None = None
    thread_id: int | None = None
    group_id: int | None = None
    attempts: int = 1
    holding: set[int] = field(default_factory=set)
    is_tap_answered: bool = False

    @property
    def t(self) -> Phrases:
        """The phrases of the chat's language."""
        return phrases(self.language)

    @property
    def model_name(self) -> str:
        """The chosen model, or the default one."""
        return self.model or self.deps.settings.default_model

    async def listed(self, name: str | None = None) -> ListedModel:
        """A model by its name, or the chosen one; raises ModelNotFound."""
        return await self.deps.catalog.get(name or self.model_name)

    async def say(self, what: View | Html, *, reply: bool = False) -> int:
        """Send a message; returns its id."""
        view = what if isinstance(what, View) else View(what)
        is_reply = self.group_id is not None or (reply and self.query_id is None)
        return await self.deps.sender.send(
            self.group_id or self.chat.chat_id,
            view,
            reply_to=self.message_id if is_reply else None,
            thread_id=self.thread_id,
        )

    async def show(self, view: View) -> int:
        """Turn the message under which a button was tapped into this; a new one where there is none, or it is gone.

        Returns:
            The id of the message that shows it.
        """
        if self.query_id is not None and await self.deps.sender.edit(self.chat.chat_id, self.message_id, view):
            return self.message_id
        return await self.say(view)

    async def pop_up(self, text: str | None = None) -> None:
        """Answer a tap, with a line that fades away."""
        if self.query_id is not None:
            self.is_tap_answered = True
            await self.deps.sender.answer_tap(self.query_id, text)

    def dialog_text(self) -> str | None:
        """The dialog as it is stored."""
        return None if self.dialog is None else orjson.dumps(self.dialog).decode()

"""One update's conversation: the chat, its language, and how to answer. Handlers get one as ``talk``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from ml_service.domain.models import ListedModel
from ml_service.storage.telegram import Chat
from services.bot.parts import Parts
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
        holding: Answers that wait for their "accepted" to be shown.
    """

    parts: Parts
    chat: Chat
    message_id: int
    key: str
    language: str
    model: str | None
    dialog: Dialog | None
    query_id: str | None = None
    holding: set[UUID] = field(default_factory=set)
    is_tap_answered: bool = False

    @property
    def t(self) -> Phrases:
        """The phrases of the chat's language."""
        return phrases(self.language)

    @property
    def model_name(self) -> str:
        """The chosen model, or the default one."""
        return self.model or self.parts.settings.default_model

    async def listed(self, name: str | None = None) -> ListedModel:
        """A model by its name, or the chosen one; raises ModelNotFound."""
        return await self.parts.catalog.get(name or self.model_name)

    async def say(self, what: View | Html, *, reply: bool = False) -> int:
        """Send a message; returns its id."""
        view = what if isinstance(what, View) else View(what)
        return await self.parts.sender.send(
            self.chat.chat_id, view, reply_to=self.message_id if reply and self.query_id is None else None
        )

    async def show(self, view: View) -> None:
        """Turn the message under which a button was tapped into this; a new one where there is none, or it is gone."""
        if self.query_id is None or not await self.parts.sender.edit(self.chat.chat_id, self.message_id, view):
            await self.say(view)

    async def pop_up(self, text: str | None = None) -> None:
        """Answer a tap, with a line that fades away."""
        if self.query_id is not None:
            self.is_tap_answered = True
            await self.parts.sender.answer_tap(self.query_id, text)

    def dialog_text(self) -> str | None:
        """The dialog as it is stored."""
        return None if self.dialog is None else orjson.dumps(self.dialog).decode()

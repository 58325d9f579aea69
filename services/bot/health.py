"""Whether the bot hears Telegram: for the supervisor's status line and the health address."""

from __future__ import annotations

import time
from typing import Literal

from ml_service.platform.sd_notify import notify

SILENT_S_MAX = 60.0
"""A poll is answered within half a minute; after twice that, polling has stopped."""
BotState = Literal["starting", "standby", "polling", "webhook", "resting"]


class BotHealth:
    """What is known of the connection to Telegram. Changes are told to the supervisor."""

    def __init__(self) -> None:
        self.state: BotState = "starting"
        self.trouble: str | None = None
        self._heard_at = time.monotonic()
        self._told = ""

    def enter(self, state: BotState) -> None:
        """Go on to another state, with a fresh start for the clock."""
        self.state = state
        self._heard_at = time.monotonic()
        self.trouble = None
        self._tell()

    def heard(self) -> None:
        """Telegram has answered."""
        self._heard_at = time.monotonic()
        self.trouble = None
        self._tell()

    def failed(self, why: str) -> None:
        """Telegram has not answered, or not as it should."""
        self.trouble = why
        self._tell()

    @property
    def silent_s(self) -> float:
        """Seconds since Telegram was heard last."""
        return time.monotonic() - self._heard_at

    @property
    def is_well(self) -> bool:
        """Whether messages can reach the bot: polling is answered, or others do it, or Telegram calls us."""
        return self.state != "polling" or self.silent_s <= SILENT_S_MAX

    def describe(self) -> dict[str, object]:
        """For the health address."""
        well = "ok" if self.is_well else "failing"
        return {"status": well, "state": self.state, "silent_s": round(self.silent_s, 1), "trouble": self.trouble}

    def _tell(self) -> None:
        line = self.state if self.trouble is None else f"{self.state}, but Telegram does not answer: {self.trouble}"
        if line != self._told:
            self._told = line
            notify(f"STATUS={line}")

"""The models that can be asked: what workers announced, priced and ready to validate an input."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import jsonschema_rs
import structlog

from ml_service.domain.errors import DatabaseUnavailable, InvalidInput, ModelNotFound
from ml_service.domain.models import ListedModel
from ml_service.storage import models
from ml_service.storage.database import Database, Session

log = structlog.get_logger()

REFRESH_S = 1.0
"""How old a price, a schema or a live mark may be; an admin's new price is in force after this at the latest."""
ERRORS_MAX = 10
FALLBACK_BATCH_SIZE = 32


async def list_all(session: Session) -> list[ListedModel]:
    """Every model ever announced, by name."""
    return await models.list_all(session)


async def set_price(session: Session, name: str, price_credits: int | None) -> None:
    """Set an admin's price in credits; None goes back to the model's own.

    Raises:
        ModelNotFound: No worker has ever announced it.
    """
    if not await models.set_price(session, name, price_credits):
        raise ModelNotFound(f"There is no model named {name!r}.")


async def forget(session: Session, name: str) -> None:
    """Take a model out of the list that no worker serves any more.

    Raises:
        ModelNotFound: There is none of this name, or a worker still serves it.
    """
    if not await models.forget(session, name):
        raise ModelNotFound(f"There is no model named {name!r} that no worker serves.")


@dataclass(frozen=True, slots=True)
class _Offer:
    listed: ListedModel
    validator: jsonschema_rs.Draft202012Validator


class Catalog:
    """The table ``models``, kept in memory and read anew every second, with a compiled validator for each input."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._offers: dict[str, _Offer] = {}
        self._work: asyncio.Task[None] | None = None
        self._refreshing = asyncio.Lock()

    async def start(self) -> None:
        """Begin to keep it fresh; does not wait for the database."""
        self._work = asyncio.create_task(self._keep_fresh())

    async def close(self) -> None:
        """Stop keeping it fresh."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)

    async def refresh(self) -> None:
        """Read the table now; raises DatabaseUnavailable."""
        async with self._refreshing:
            async with self._database.autocommit() as session:
                listed = await models.list_all(session)
            offers = {}
            for model in listed:
                known = self._offers.get(model.spec.name)
                if known is not None and known.listed.spec == model.spec:
                    validator = known.validator
                else:
                    validator = jsonschema_rs.Draft202012Validator(model.spec.input_schema)
                offers[model.spec.name] = _Offer(model, validator)
            self._offers = offers

    def all(self) -> list[ListedModel]:
        """Every model, by name."""
        return [offer.listed for offer in self._offers.values()]

    async def get(self, name: str) -> ListedModel:
        """The model of this name; looks into the table before it says that there is none.

        Raises:
            ModelNotFound: No worker has ever announced it.
            DatabaseUnavailable: It is not known here, and the table cannot be read.
        """
        return (await self._offer(name)).listed

    async def check(self, name: str, value: Any) -> ListedModel:
        """The model of this name, if ``value`` fits its input schema.

        Raises:
            ModelNotFound: No worker has ever announced it.
            InvalidInput: With ``errors``, at most 10, each with its location and what is wrong.
        """
        offer = await self._offer(name)
        if not offer.validator.is_valid(value):
            raise InvalidInput("The input does not fit the model's input schema.", errors=_errors(offer, value))
        return offer.listed

    def batch_size(self, name: str) -> int:
        """How many inputs the model takes at once; a guess for one that is not known here."""
        offer = self._offers.get(name)
        return offer.listed.spec.batch_size if offer else FALLBACK_BATCH_SIZE

    async def _offer(self, name: str) -> _Offer:
        offer = self._offers.get(name)
        if offer is None:
            await self.refresh()
            offer = self._offers.get(name)
        if offer is None:
            known = ", ".join(sorted(self._offers)) or "none yet: no worker has started"
            raise ModelNotFound(f"There is no model of this name. Known: {known}.")
        return offer

    async def _keep_fresh(self) -> None:
        while True:
            try:
                await self.refresh()
            except DatabaseUnavailable as error:
                log.debug("catalog_not_refreshed", error=error.message)
            except Exception:
                log.exception("catalog_not_refreshed")
            await asyncio.sleep(REFRESH_S)


def _errors(offer: _Offer, value: Any) -> list[dict[str, str]]:
    found = []
    for error in offer.validator.iter_errors(value):
        location = ".".join(["input", *map(str, error.instance_path)])
        # The library's message quotes the value; a long one is cut, it came from the user.
        found.append({"location": location, "message": error.message[:200]})
        if len(found) == ERRORS_MAX:
            break
    return found

"""The models that can be asked: what workers announced, priced and ready to validate an input."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jsonschema_rs
import structlog

from ml_service.domain.errors import DatabaseUnavailable, InvalidInput, ModelDisabled, ModelNotFound
from ml_service.domain.models import ListedModel, ModelSpec, Serving, full_name
from ml_service.platform.json_schemas import message_of, validator_of
from ml_service.platform.nearest import meant
from ml_service.storage import models
from ml_service.storage.database import Database, Session
from ml_service.storage.models import KnownSpecs
from ml_service.storage.workers import Worker
from ml_service.usecases.workers import failed_models, list_live, serving

log = structlog.get_logger()

REFRESH_S = 1.0
"""How old a price, a schema or a live mark may be; an admin's new price is in force after this at the latest."""
UNKNOWN_REFRESH_S = 0.25
"""Requests for unknown models share a read of the tables every so many seconds: callers must not be able to make us
read them for every name they invent."""
ERRORS_MAX = 10
VALUES_EXPLAINED_MAX = 500
"""Values of an input in which all errors are looked for. The validator collects them all before it returns the first,
for each branch of an anyOf or oneOf: 20,000 wrong numbers took seconds, on the event loop."""
FALLBACK_BATCH_SIZE = 32


async def list_all(session: Session) -> list[ListedModel]:
    """Every version of every model: by name, the default version first, then the newest."""
    return await models.list_all(session)


async def set_price(session: Session, name: str, price_credits: int | None) -> None:
    """Set an admin's price in credits for all versions of a model; None goes back to the model's own.

    Raises:
        ModelNotFound: No worker has ever announced it.
    """
    if not await models.set_price(session, name, price_credits):
        raise ModelNotFound(f"There is no model named {name!r}.")


async def promote(session: Session, name: str, version: str, *, allow_unserved: bool = False) -> None:
    """Make an announced version the default one: requests that name no version get it from then on.

    Args:
        allow_unserved: Also a version that no live worker serves: requests then wait for one.

    Raises:
        ModelNotFound: No worker has ever announced this version.
        InvalidInput: No live worker serves it.
    """
    if not await models.promote(session, name, version):
        raise ModelNotFound(f"No worker has ever announced {full_name(name, version)}.")
    await _check_served(session, name, version, allow_unserved=allow_unserved)


async def rollback(session: Session, name: str, *, allow_unserved: bool = False) -> str:
    """Go back to the version that was the default before the last promotion; returns it.

    Raises:
        ModelNotFound: There is none before, or it was forgotten.
        InvalidInput: As `promote`.
    """
    version = await models.rollback(session, name)
    if version is None:
        raise ModelNotFound(f"There is no earlier default version of {name!r}.")
    await _check_served(session, name, version, allow_unserved=allow_unserved)
    return version


async def _check_served(session: Session, name: str, version: str, *, allow_unserved: bool) -> None:
    if not allow_unserved and not await models.is_served(session, name, version):
        message = f"No worker serves {full_name(name, version)}, so requests would wait: start one that has it first."
        raise InvalidInput(message, errors=[{"location": "body.default_version", "message": message}])


async def forget(session: Session, name: str) -> None:
    """Take a model, or a version given as name@version, out of the list; only what no worker serves.

    Raises:
        ModelNotFound: There is none of this name, or a worker still serves it.
    """
    name, at, version = name.partition("@")
    if at and not version:
        raise ModelNotFound(f"Name a version behind the @, or forget all versions of {name!r} by its name alone.")
    if not await models.forget(session, name, version or None):
        if await models.choices(session, name) is None:
            raise ModelNotFound(f"No worker has announced a model {name!r}: there is nothing to forget.")
        raise ModelNotFound(
            f"There is nothing of {name!r} that no worker serves: take its folder away, and then "
            f"python3 start.py --cli models restart {name} --anyway."
        )


@dataclass(frozen=True, slots=True)
class _Offer:
    listed: ListedModel
    validator: jsonschema_rs.Draft202012Validator


class Catalog:
    """The tables of models, kept in memory and read every second, with a compiled validator for each input.

    A model is named as in a request: ``name`` for its default version, or ``name@version``.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._offers: dict[str, _Offer] = {}  # by name@version
        self._versions: dict[str, list[ListedModel]] = {}  # by name
        self._defaults: dict[str, _Offer] = {}  # by name
        self._unusable: dict[str, tuple[ModelSpec, str]] = {}  # by name@version; why its schema cannot be compiled
        self._specs: KnownSpecs = {}
        self._work: asyncio.Task[None] | None = None
        self._refreshing = asyncio.Lock()
        self._refreshed_at = -math.inf
        self._failed: dict[
            str, str
        ] = {}  # models that live workers cannot load, with the reasons; read for unknown names

    async def start(self) -> None:
        """Begin to keep it fresh; does not wait for the database."""
        self._work = asyncio.create_task(self._keep_fresh())

    async def close(self) -> None:
        """Stop keeping it fresh."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)

    async def refresh_for_unknown(self) -> None:
        """See the tables as they are now, or a little later; reads them at most every `UNKNOWN_REFRESH_S`.

        Raises:
            DatabaseUnavailable: They cannot be read.
        """
        asked_at = time.monotonic()
        while self._refreshed_at < asked_at:
            await asyncio.sleep(max(0.0, self._refreshed_at + UNKNOWN_REFRESH_S - time.monotonic()))
            await self.refresh(since=asked_at)

    async def refresh(self, since: float | None = None) -> None:
        """Read the tables now, unless a read has begun ``since`` that moment; raises DatabaseUnavailable."""
        async with self._refreshing:
            began = time.monotonic()
            if since is not None and self._refreshed_at >= since:
                return
            async with self._database.autocommit() as session:
                listed = await models.list_all(session, self._specs)
                if since is not None:
                    self._failed = {one.name: one.reason for one in failed_models(await list_live(session))}
            self._take(listed)
            self._refreshed_at = began

    def _take(self, listed: list[ListedModel]) -> None:
        offers: dict[str, _Offer] = {}
        versions: dict[str, list[ListedModel]] = {}
        unusable: dict[str, tuple[ModelSpec, str]] = {}
        for model in listed:
            validator = self._validator(model.spec)
            if isinstance(validator, str):  # the other models must not suffer
                unusable[model.spec.full_name] = (model.spec, validator)
                continue
            offers[model.spec.full_name] = _Offer(model, validator)
            versions.setdefault(model.spec.name, []).append(model)
        self._offers, self._versions, self._unusable = offers, versions, unusable
        self._defaults = {offer.listed.spec.name: offer for offer in offers.values() if offer.listed.is_default}

    def _validator(self, spec: ModelSpec) -> jsonschema_rs.Draft202012Validator | str:
        """What checks a version's inputs, or why there is nothing that could; compiled once."""
        known = self._offers.get(spec.full_name)
        if known is not None and known.listed.spec is spec:
            return known.validator
        before, reason = self._unusable.get(spec.full_name, (None, ""))
        if before is spec:
            return reason
        try:
            return validator_of(spec.input_schema)
        except Exception as error:  # noqa: BLE001 - whatever another release has let through
            reason = f"The input schema of {spec.full_name} cannot be used: {' '.join(str(error).split())}."
            log.error("model_left_out", model=spec.full_name, error=reason)  # noqa: TRY400 - its text is the reason
            return reason

    def _why_unusable(self, name: str) -> str | None:
        """Why a model, or its version, is left out; None where it is not."""
        return next((reason for spec, reason in self._unusable.values() if name in (spec.name, spec.full_name)), None)

    def all(self) -> list[ListedModel]:
        """Every model at its default version, by name."""
        return [offer.listed for offer in self._defaults.values()]

    def versions(self, name: str) -> list[ListedModel]:
        """All versions of a model, the default one first, then the newest."""
        return self._versions.get(name, [])

    def why_unserved(self, name: str, failed: Mapping[str, str]) -> str | None:
        """Why requests for a model wait at the moment, in a sentence or two; None while a worker serves it.

        Args:
            failed: The models that live workers cannot load, by name, with the reasons.
        """
        offer = self._known(name)
        if offer is None:
            return failed.get(name) or self._why_unusable(name) or f"No worker has announced the model {name} yet."
        if not offer.listed.is_enabled:
            return f"The model {offer.listed.spec.name} is switched off."
        if offer.listed.is_live:
            return None
        spec = offer.listed.spec
        reason = (
            failed.get(spec.name) or f"No worker serves {spec.full_name}: it waits for one of the pool {spec.pool}."
        )
        live = [one.spec.version for one in self.versions(spec.name) if one.is_live]
        if live and offer.listed.is_default:
            promote = f"python3 start.py --cli models promote {spec.name}@{live[0]}"
            reason += f" It is the default version; live: {', '.join(live)}. To change the default: {promote}"
        return reason

    def why_not_live(self, listed: ListedModel, state: Serving, failed: Mapping[str, str]) -> str | None:
        """Why a version is not served, see `why_unserved`; the default version is named without its number."""
        name = listed.spec.name if listed.is_default else listed.spec.full_name
        if state is Serving.LOADING:
            failed = {listed.spec.name: f"A worker is loading {name}.", **failed}
        return self.why_unserved(name, failed)

    def all_unserved(self, default_model: str, workers: Sequence[Worker]) -> dict[str, str]:
        """Why requests wait at the moment, by model: the default model first, whatever keeps it from being served.

        Others are named where they are offered and no live worker has their default version: not those that are
        switched off, and not those that workers are loading or cannot load, see `failed_models`. Without a live worker,
        which is a trouble of its own, only the default model is named.
        """
        failed = {one.name: one.reason for one in failed_models(workers)}
        names = [default_model]
        if any(one.is_alive for one in workers):
            others = [one for one in self.all() if one.spec.name != default_model.partition("@")[0]]
            names += [one.spec.name for one in others if serving(one, workers) is Serving.GONE]
        return {name: reason for name in names if (reason := self.why_unserved(name, failed))}

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
            ModelDisabled: An admin has switched it off.
            InvalidInput: With ``errors``, at most 10, each with its location and what is wrong.
        """
        offer = await self._offer(name)
        if not offer.listed.is_enabled:
            raise _disabled(offer)
        if not offer.validator.is_valid(value):
            raise InvalidInput("The input does not fit the model's input schema.", errors=_errors(offer, value))
        return offer.listed

    async def checker(self, name: str) -> tuple[ListedModel, Callable[[Any], str | None]]:
        """The model of this name, and what says why a value does not fit its input schema (None: it fits).

        Raises:
            ModelNotFound: No worker has ever announced it.
            ModelDisabled: An admin has switched it off.
        """
        offer = await self._offer(name)
        if not offer.listed.is_enabled:
            raise _disabled(offer)

        def why_not(value: Any) -> str | None:
            if offer.validator.is_valid(value):
                return None
            first = _errors(offer, value)[0]
            return f"{first['location']}: {first['message']}"

        return offer.listed, why_not

    def batch_size(self, name: str, version: str) -> int:
        """How many inputs the model takes at once; a guess for one that is not known here."""
        offer = self._offers.get(full_name(name, version))
        return offer.listed.spec.batch_size if offer else FALLBACK_BATCH_SIZE

    def _known(self, name: str) -> _Offer | None:
        return self._defaults.get(name) or self._offers.get(name)

    async def _offer(self, name: str) -> _Offer:
        offer = self._known(name)
        if offer is None:
            await self.refresh_for_unknown()
            offer = self._known(name)
        if offer is None:
            if reason := self._why_unusable(name):
                raise ModelNotFound(reason)
            base, at, _ = name.partition("@")
            versions = ", ".join(one.spec.version for one in self.versions(base))
            if at and versions:
                raise ModelNotFound(f"There is no such version of {base}. Known: {versions}.")
            if base in self._failed:
                raise ModelNotFound(f"The model {base} cannot be loaded: {self._failed[base]}")
            known = ", ".join(sorted(self._defaults)) or "none yet: no worker has started"
            maybe = meant(base, self._defaults) or "."
            raise ModelNotFound(f"There is no model of this name{maybe} Known: {known}.")
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


def _has_more_values(value: Any, count: int) -> bool:
    waiting = [value]
    while waiting:
        if len(waiting) > count:
            return True
        count -= 1
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return False


def _has_branches(schema: Any) -> bool:
    if isinstance(schema, dict):
        return not schema.keys().isdisjoint(("anyOf", "oneOf")) or any(map(_has_branches, schema.values()))
    return isinstance(schema, list) and any(map(_has_branches, schema))


def _disabled(offer: _Offer) -> ModelDisabled:
    return ModelDisabled(f"The model {offer.listed.spec.name} is switched off at the moment.")


def _errors(offer: _Offer, value: Any) -> list[dict[str, str]]:
    schema = offer.listed.spec.input_schema
    if not _has_more_values(value, VALUES_EXPLAINED_MAX):
        return [
            _located(error, schema)
            for error, _ in zip(offer.validator.iter_errors(value), range(ERRORS_MAX), strict=False)
        ]
    if _has_branches(schema):
        return [
            {
                "location": "input",
                "message": f"It does not fit; the place is shown for up to {VALUES_EXPLAINED_MAX} values.",
            }
        ]
    try:
        offer.validator.validate(value)  # stops at the first error
    except jsonschema_rs.ValidationError as error:
        return [_located(error, schema)]
    return []


def _located(error: jsonschema_rs.ValidationError, schema: Any) -> dict[str, str]:
    # The message quotes the value; a long one is cut, it came from the user.
    place = ".".join(["input", *map(str, error.instance_path)])
    return {"location": place, "message": message_of(error, schema)[:200]}

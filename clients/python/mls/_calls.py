"""What is sent for each call, the same for both clients: no input and output here."""

from __future__ import annotations

import random
import re
import time
import urllib.parse
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import httpx2

from mls.errors import ApiError, RequestError, ServiceUnreachable, StillRunning
from mls.types import JsonObject, Prediction

PREFER_S_MAX = 30
"""Of one request that waits for its answer; proxies close what is silent for longer. It is asked again then."""
POLL_S = 1.0
"""Between two such requests at least: a service that shuts down or is crowded answers before the time is over."""
SHORT_S = 0.5
"""So little time left is waited for in the client, and then is the last look."""
FIRST_LOOK_S = 1.0
"""A timeout of less time still gets the prediction as it is."""
LATE_S = 0.9
"""An answer may come so much later than its time: it is on its way, and `Prefer` takes whole seconds."""
ACCEPT_S = 1
"""The first request leaves so much of the time over: that the prediction was accepted is to be known within it."""
ACCEPT_LATE_S = 5.0
"""So much later than the time that may still come: it is charged for, whether it is known or not."""
ANSWER_S = 30.0
"""Until the service has answered what it need not wait for."""
CONNECT_S = 10.0
BULK_S = 600.0
"""From the end of a bulk job's upload to the answer: its credits are held meanwhile."""
AGAIN = frozenset({429, 502, 503, 504})
KEY = re.compile("[!-~]([ -~]{0,253}[!-~])?")
"""What an Idempotency-Key may be: the service drops spaces around it, as HTTP does."""

Input = str | JsonObject
"""A text, or an object as the model's ``input_schema`` says."""
Content = Iterable[bytes] | AsyncIterable[bytes] | None
Params = Mapping[str, str | int | float | list[str]]


@dataclass(frozen=True, slots=True)
class Retry:
    """What is tried again: requests without an answer, and those answered by 429, 502, 503 or 504.

    Attributes:
        tries: Of one call, the first included.
        pause_s_min, pause_s_max: The pauses double from one to the other, less a random part.
        wait_s_max: Where the service asks to wait for longer (``Retry-After``), the error is raised instead.
    """

    tries: int = 6
    pause_s_min: float = 0.25
    pause_s_max: float = 8.0
    wait_s_max: float = 60.0


@dataclass(frozen=True, slots=True)
class Call:
    """One request, the same for each try: also its Idempotency-Key.

    Attributes:
        media_type: Of the answer.
    """

    method: str
    path: str
    params: Params = field(default_factory=dict)
    json: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    read_s: float = ANSWER_S
    media_type: str = "application/json"

    @property
    def key(self) -> str | None:
        """The Idempotency-Key, if it has one."""
        return self.headers.get("Idempotency-Key")

    def request(self, client: httpx2.Client | httpx2.AsyncClient, content: Content = None) -> httpx2.Request:
        """As a request of ``client``, with a body that is not JSON if there is one; raises ValueError."""
        try:
            return client.build_request(
                self.method,
                self.path,
                params=dict(self.params),
                json=self.json,
                content=content,
                headers=dict(self.headers),
                timeout=httpx2.Timeout(self.read_s, connect=min(self.read_s, CONNECT_S)),
            )
        except httpx2.InvalidURL as error:  # as of an id with a line break
            raise ValueError(f"This cannot be asked for: {error}") from error


def may_pass(came: Prediction | httpx2.TransportError | ApiError) -> bool:
    """Whether the same request may have another answer later."""
    return not isinstance(came, ApiError) or came.status in AGAIN


def may_be_accepted(error: httpx2.TransportError | ApiError) -> bool:
    """Whether the service may have done what it was asked, though this came."""
    if isinstance(error, ApiError):
        return error.status in AGAIN - {httpx2.codes.TOO_MANY_REQUESTS}
    return not isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)


class Tries:
    """Decides whether a call is made once more, and after which pause.

    Args:
        key: Its Idempotency-Key, if it has one.

    Attributes:
        prediction_id: What was accepted, once that is known.
    """

    def __init__(self, retry: Retry, key: str | None = None) -> None:
        self.prediction_id: UUID | None = None
        self._retry = retry
        self._key = key
        self._failed = 0
        self._may_be_accepted = False

    def pause_s(self, error: httpx2.TransportError | ApiError) -> float:
        """Seconds to wait before the next try; raises the error if there is none."""
        self._failed += 1
        self._may_be_accepted |= may_be_accepted(error)
        retry_after_s = error.retry_after_s if isinstance(error, ApiError) else None
        is_too_long = (retry_after_s or 0.0) > self._retry.wait_s_max
        if not may_pass(error) or self._failed >= self._retry.tries or is_too_long:
            raise self.given_up(error)
        longest = min(self._retry.pause_s_min * 2.0 ** (self._failed - 1), self._retry.pause_s_max)
        pause_s = longest * random.uniform(0.5, 1.0)  # noqa: S311  so that many clients do not come back at once
        return max(pause_s, retry_after_s or 0.0)

    def given_up(self, error: httpx2.TransportError | ApiError) -> RequestError:
        """What is raised for an error after the last try, with what is known of the request."""
        found: RequestError = error if isinstance(error, ApiError) else _unreachable(error)
        found.prediction_id = self.prediction_id
        if self.prediction_id is None and self._may_be_accepted:
            found.idempotency_key = self._key
        return found

    def went_well(self) -> None:
        """Count from the beginning."""
        self._failed = 0


def _unreachable(error: httpx2.TransportError) -> ServiceUnreachable:
    unreachable = ServiceUnreachable(f"The service does not answer: {error or type(error).__name__}.")
    unreachable.__cause__ = error
    return unreachable


class AnswerWait:
    """Decides how long each request of one `predict` waits for the answer, and what is done after it."""

    def __init__(self, call: Call, timeout_s: float, retry: Retry) -> None:
        self._call = call
        self._timeout_s = timeout_s
        self._tries = Tries(retry, call.key)
        self._began = self._sent_at = time.monotonic()
        self._seen: Prediction | None = None
        self._asked_s = 0

    def next(self) -> Call:
        """The request as it is sent now."""
        self._sent_at = time.monotonic()
        is_first = self._seen is None
        wait_s = (
            max(0, int(self._left_s) - ACCEPT_S) if is_first else round(self._left_s)
        )  # `Prefer` takes whole seconds
        self._asked_s = min(wait_s, PREFER_S_MAX)
        headers = dict(self._call.headers)
        if self._asked_s:
            headers["Prefer"] = f"wait={self._asked_s}"
        late_s = ACCEPT_LATE_S if is_first else LATE_S
        return replace(self._call, headers=headers, read_s=min(ANSWER_S + self._asked_s, self._left_s + late_s))

    def pause_s(self, came: Prediction | httpx2.TransportError | ApiError) -> float:
        """Seconds until the next request; raises StillRunning once the time is over, or what ended it before."""
        if isinstance(came, Prediction):
            self._seen = came
            self._tries.prediction_id = came.id
            self._tries.went_well()
        left_s = self._left_s
        if self._seen is not None and left_s <= 0 and may_pass(came):
            raise StillRunning(self._seen)
        if isinstance(came, Prediction):
            pause_s = max(0.0, self._sent_at + POLL_S - time.monotonic()) if self._asked_s else 0.0
            return pause_s if left_s - pause_s > SHORT_S else left_s
        pause_s = self._tries.pause_s(came)
        if pause_s >= left_s and self._seen is None:
            raise self._tries.given_up(came)
        return min(pause_s, left_s)

    @property
    def _left_s(self) -> float:
        timeout_s = self._timeout_s if self._seen is not None else max(self._timeout_s, FIRST_LOOK_S)
        return max(0.0, self._began + timeout_s - time.monotonic())


@dataclass(frozen=True, slots=True)
class Options:
    """What a request for predictions may say besides its input; see `Client.submit`."""

    deadline_s: float | None = None
    notify: Sequence[str] | None = None
    webhook: Mapping[str, Any] | None = None

    def members(self) -> JsonObject:
        """Those that were given."""
        named = {"deadline_s": self.deadline_s, "notify": self.notify, "webhook": self.webhook}
        return {name: value for name, value in named.items() if value is not None}


def item(value: Input, model: str | None) -> JsonObject:
    """One input as the API takes it."""
    named: JsonObject = {} if model is None else {"model": model}
    return {**named, **({"text": value} if isinstance(value, str) else {"input": value})}


def predict(value: Input, model: str | None, options: Options, key: str | None) -> Call:
    """One prediction."""
    json = {**item(value, model), **options.members()}
    return Call("POST", "/predictions/predict", json=json, headers=_keyed(key))


def batch(values: Iterable[Input], model: str | None, options: Options, key: str | None) -> Call:
    """A batch, accepted whole or not at all."""
    json = {"items": [item(value, model) for value in values], **options.members()}
    return Call("POST", "/predictions/batch", json=json, headers=_keyed(key))


def quote(values: Input | list[Input], model: str | None) -> Call:
    """What one prediction, or a batch of them, would cost."""
    json = {"items": [item(value, model) for value in values]} if isinstance(values, list) else item(values, model)
    return Call("POST", "/predictions/quote", json=json)


def path_part(name: UUID | str) -> str:
    """An id or a name as one part of a path, whatever is in it: ``..`` would lead elsewhere.

    Raises:
        ValueError: It has control characters, as no id or name has.
    """
    if not str(name).isprintable():
        raise ValueError(f"{name!r} cannot be asked for.")
    quoted = urllib.parse.quote(str(name), safe="@")
    return quoted.replace(".", "%2E") if quoted in (".", "..") else quoted


def get(prediction_id: UUID | str) -> Call:
    """A prediction as it is now."""
    return Call("GET", f"/predictions/{path_part(prediction_id)}")


def cancel(prediction_id: UUID | str) -> Call:
    """Cancel a prediction; to do so twice is no error."""
    return Call("POST", f"/predictions/{path_part(prediction_id)}/cancel")


def repeat(prediction_id: UUID | str, key: str | None) -> Call:
    """Ask the same again."""
    return Call("POST", f"/predictions/{path_part(prediction_id)}/repeat", headers=_keyed(key))


def events(prediction_id: UUID | str, last_event_id: str, silence_s: float) -> Call:
    """Follow a prediction, on one connection."""
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    path = f"/predictions/{path_part(prediction_id)}/events"
    return Call("GET", path, headers=headers, read_s=silence_s, media_type="text/event-stream")


def bulk(media_type: str, model: str | None, column: str | None, max_credits: int | None, key: str | None) -> Call:
    """A bulk job, whose body is sent with it."""
    given = {"model": model, "column": column, "max_credits": max_credits}
    params = {name: value for name, value in given.items() if value is not None}
    return Call("POST", "/bulk", params=params, headers={**_keyed(key), "Content-Type": media_type}, read_s=BULK_S)


def bulk_results(bulk_id: UUID | str, kind: str = "jsonl") -> Call:
    """The results of a bulk job as lines of JSON, or as ``csv``."""
    media_type = "text/csv" if kind == "csv" else "application/x-ndjson"
    return Call("GET", f"/bulk/{path_part(bulk_id)}/results", params={"format": kind}, media_type=media_type)


def page(path: str, filters: Mapping[str, Any], cursor: str | None) -> Call:
    """A page of a list; filters that are None are left out."""
    given = {name.rstrip("_"): value for name, value in {**filters, "cursor": cursor}.items() if value is not None}
    return Call("GET", path, params=given)


def _keyed(key: str | None) -> dict[str, str]:
    """A key for each call, so that trying it again can never be a second request; raises ValueError."""
    if key and not KEY.fullmatch(key):
        raise ValueError("An Idempotency-Key has 1 to 255 printable ASCII characters, and no space at its ends.")
    return {"Idempotency-Key": key or uuid4().hex}

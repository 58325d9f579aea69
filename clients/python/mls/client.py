"""The client for ordinary code; `AsyncClient` is the same for asyncio."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

import httpx2

from mls import _calls
from mls._calls import Call, Input, Options, Retry, Tries
from mls._connect import Settings
from mls._followed import Followed
from mls._mapping import Mapped, Meter, Threads
from mls._sending import Sender
from mls.bulk import BulkJob, BulkResult, Lines, Poll, Rows, Source, Upload
from mls.errors import ApiError, ServiceUnreachable, StillRunning, read_as
from mls.progress import OnProgress
from mls.types import (
    Answered,
    Balance,
    Batch,
    Model,
    Models,
    Page,
    Prediction,
    Quote,
    Transaction,
    Update,
)

Item = TypeVar("Item", bound=Answered)


class Client(Sender):
    """Asks an ML Service. One may be shared by threads.

    Args:
        url: Of the service, such as ``https://ml.example.com``; or ``MLS_URL``.
        api_key: Or ``MLS_API_KEY``.
        username, password: Instead of a key; or ``MLS_USERNAME`` and ``MLS_PASSWORD``.
        retry: What is tried again. Each try of a call has the same Idempotency-Key: nothing is done, or paid, twice.
        transport: Of httpx, for proxies, certificates or tests.

    What the service refuses is raised as a class of `mls.errors`; a redirect, or a page of something else than the
    service, as `UnexpectedAnswer`; no answer at all as `ServiceUnreachable`.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        username: str | None = None,
        password: str | None = None,
        retry: Retry = Retry(),  # noqa: B008  frozen
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        settings = Settings.of(url, api_key, username, password)
        http = httpx2.Client(base_url=settings.url, auth=settings.auth, headers=settings.headers, transport=transport)
        super().__init__(http, retry)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def predict(
        self,
        input: Input,  # noqa: A002  the API's own word
        *,
        model: str | None = None,
        timeout_s: float = 120.0,
        deadline_s: float | None = None,
        notify: Sequence[str] | None = None,
        webhook: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Prediction:
        """Ask, and wait for the answer; ``.result()`` is the output.

        Args:
            input: A text, or an object as the model's ``input_schema`` says.
            model: Its name, or ``name@version``; the service's default model otherwise.
            timeout_s: How long to wait for it, to within a second.
            deadline_s: Seconds after which the service ends it, and gives the credits back.
            notify: ``["telegram"]``: the answer also goes to the account's chats.
            webhook: ``{"url": …, "events": […]}``: whom the service tells of the end.
            key: The Idempotency-Key; made up otherwise. Calling again with the same key asks nothing new.

        Raises:
            StillRunning: It has no answer in that time; it goes on.
            ServiceUnreachable: Some seconds after that time nothing has been heard of it. Its ``prediction_id``, where
                it was accepted, is what `wait` goes on with; calling again with its ``idempotency_key`` as ``key``
                finds it where that is not known.
        """
        call = _calls.predict(input, model, Options(deadline_s, notify, webhook), key)
        return self._answer(call, timeout_s, threading.Event())

    def submit(
        self,
        input: Input,  # noqa: A002
        *,
        model: str | None = None,
        deadline_s: float | None = None,
        notify: Sequence[str] | None = None,
        webhook: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Prediction:
        """Ask, and do not wait; arguments as of `predict`."""
        options = Options(deadline_s, notify, webhook)
        return self._ask(Prediction, _calls.predict(input, model, options, key))

    def submit_batch(
        self,
        inputs: Iterable[Input],
        *,
        model: str | None = None,
        deadline_s: float | None = None,
        notify: Sequence[str] | None = None,
        webhook: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Batch:
        """Ask for up to 1,000 at once, accepted whole or not at all; arguments as of `predict`."""
        options = Options(deadline_s, notify, webhook)
        return self._ask(Batch, _calls.batch(inputs, model, options, key))

    def quote(self, input: Input | list[Input], *, model: str | None = None) -> Quote:  # noqa: A002
        """What an input, or a list of them as a batch, would cost and how long it would take."""
        return self._ask(Quote, _calls.quote(input, model))

    def get(self, prediction_id: UUID | str) -> Prediction:
        """A prediction as it is now."""
        return self._ask(Prediction, _calls.get(prediction_id))

    def wait(self, prediction_id: UUID | str, *, timeout_s: float | None = None) -> Prediction:
        """Wait until a prediction has ended.

        Args:
            timeout_s: How long at most, to within a second; else as long as it takes.

        Raises:
            StillRunning: It has not ended in that time.
            ServiceUnreachable: Nothing was heard of it in that time.
        """
        for update in self.stream(prediction_id, timeout_s=timeout_s):
            if not update.prediction.is_open:
                return update.prediction
        raise AssertionError("A stream ends with the end of its prediction.")

    def stream(self, prediction_id: UUID | str, *, timeout_s: float | None = None) -> Iterator[Update]:
        """Each change of a prediction until it has ended, over broken connections and restarts of the service.

        Args and Raises: As of `wait`.
        """
        followed, tries = Followed(prediction_id, timeout_s), Tries(self._retry)
        while True:
            followed.check_time()
            try:
                for event in self._events(followed):
                    tries.went_well()
                    if (update := followed.take(event)) is not None:
                        yield update
                        if not update.prediction.is_open:
                            return
                    followed.check_time()
            except (httpx2.TransportError, ApiError) as error:
                time.sleep(followed.pause_s(tries, error))
            else:
                time.sleep(followed.pause_s(tries))

    def cancel(self, prediction_id: UUID | str) -> Prediction:
        """Cancel a prediction; its credits come back. To do so twice is no error."""
        return self._ask(Prediction, _calls.cancel(prediction_id))

    def repeat(self, prediction_id: UUID | str, *, key: str | None = None) -> Prediction:
        """Ask the same again, at today's price."""
        return self._ask(Prediction, _calls.repeat(prediction_id, key))

    def map(
        self,
        inputs: Iterable[Input],
        *,
        model: str | None = None,
        concurrency: int = 8,
        timeout_s: float = 600.0,
        on_progress: OnProgress | None = None,
    ) -> Iterator[Mapped]:
        """Ask for each of ``inputs``, ``concurrency`` at a time, and yield the answers in their order.

        Inputs are taken as they are needed: there may be more than fit into memory. One that the service refuses for
        itself (`InvalidInput`, `PayloadTooLarge`), that fails (`PredictionFailed`), or that has no answer in
        ``timeout_s`` (`StillRunning`, or `ServiceUnreachable` where it is not even known to be accepted) has an
        ``error``; whatever concerns all is raised. Leaving it early waits for nothing; what has been asked goes on in
        the service.
        """
        meter, threads = Meter(inputs, on_progress), Threads(concurrency)

        def ask(value: Input) -> Mapped:
            call = _calls.predict(value, model, Options(), None)
            try:
                found = Mapped.of(value, self._answer(call, timeout_s, threads.stop))
            except (ApiError, StillRunning, ServiceUnreachable) as error:
                found = Mapped.of(value, error)
            if not threads.stop.is_set():
                meter.count(found)
            return found

        waiting: deque[Future[Mapped]] = deque()
        given = iter(inputs)
        try:
            for value in itertools.islice(given, concurrency * 2):
                waiting.append(threads.begin(partial(ask, value)))
            while waiting:
                yield waiting.popleft().result()
                for value in itertools.islice(given, 1):
                    waiting.append(threads.begin(partial(ask, value)))
        finally:
            threads.end()

    def submit_bulk(
        self,
        source: Source,
        *,
        model: str | None = None,
        column: str | None = None,
        max_credits: int | None = None,
        key: str | None = None,
    ) -> BulkJob:
        """Send a file, or inputs, of up to a million lines; nothing waits for the answers.

        Args:
            source: The path of a ``.csv`` or ``.jsonl`` file, or texts or objects. What can be read once only, as a
                generator, is not sent again where the connection breaks.
            column: Of a CSV: the column that is the text.
            max_credits: Raise `MaxCreditsExceeded` where all of it costs more; nothing of it is accepted then.
            key: The Idempotency-Key, as of `predict`.

        Raises:
            OSError, ValueError: The file cannot be read, or its name says neither CSV nor JSON lines.
            SourceConsumed: The service took the token no longer, and what can be read once only cannot be sent again
                with a new one. No job was begun.
        """
        upload = Upload(source)
        call = _calls.bulk(upload.media_type, model, column, max_credits, key)
        retry = self._retry if upload.is_repeatable else replace(self._retry, tries=1)
        return self._ask(BulkJob, call, upload, retry)

    def get_bulk(self, bulk_id: UUID | str) -> BulkJob:
        """How far a bulk job is."""
        return self._ask(BulkJob, Call("GET", f"/bulk/{_calls.path_part(bulk_id)}"))

    def wait_bulk(
        self, bulk_id: UUID | str, *, timeout_s: float | None = None, on_progress: OnProgress | None = None
    ) -> BulkJob:
        """Wait until all lines of a bulk job have ended.

        Raises:
            BulkNotFinished: They have not in that time.
        """
        poll = Poll(timeout_s, on_progress)
        while True:
            job = self.get_bulk(bulk_id)
            if (pause_s := poll.pause_s(job)) is None:
                return job
            time.sleep(pause_s)

    def cancel_bulk(self, bulk_id: UUID | str) -> BulkJob:
        """End what has not ended, and get its credits back; what has succeeded stays, and is paid."""
        return self._ask(BulkJob, Call("POST", f"/bulk/{_calls.path_part(bulk_id)}/cancel"))

    def bulk_results(self, bulk_id: UUID | str) -> Iterator[BulkResult]:
        """What became of each line, in the order of the file; over broken connections, too."""
        for response, line in self._parts(_calls.bulk_results(bulk_id), Lines):
            yield read_as(BulkResult, response, line)

    def bulk_csv(self, bulk_id: UUID | str) -> Iterator[bytes]:
        """The same as a CSV file, row by row, the first with the columns' names; a row may have several lines."""
        for _, row in self._parts(_calls.bulk_results(bulk_id, "csv"), Rows):
            yield row

    def bulk(
        self,
        source: Source,
        *,
        model: str | None = None,
        column: str | None = None,
        max_credits: int | None = None,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
        key: str | None = None,
    ) -> Iterator[BulkResult]:
        """Send a file, or inputs, wait for all answers, and yield them in the order of the lines.

        Args and Raises: As of `submit_bulk` and `wait_bulk`.
        """
        job = self.submit_bulk(source, model=model, column=column, max_credits=max_credits, key=key)
        self.wait_bulk(job.bulk_id, timeout_s=timeout_s, on_progress=on_progress)
        yield from self.bulk_results(job.bulk_id)

    def predictions(self, **filters: Any) -> Iterator[Prediction]:
        """The history, newest first; filters as of ``GET /predictions``, such as ``status=["failed"]``, ``from_``."""
        return self._all(Page[Prediction], "/predictions", filters)

    def transactions(self) -> Iterator[Transaction]:
        """All movements of credits, newest first."""
        return self._all(Page[Transaction], "/transactions", {})

    def balance(self) -> Balance:
        """Credits that can be spent and that are held."""
        return self._ask(Balance, Call("GET", "/balance"))

    def models(self) -> list[Model]:
        """What can be asked, at what price."""
        return self._ask(Models, Call("GET", "/models")).items

    def model(self, name: str) -> Model:
        """One model, at its default version or, as ``name@version``, at another."""
        return self._ask(Model, Call("GET", f"/models/{_calls.path_part(name)}"))

    def _all(self, kind: type[Page[Item]], path: str, filters: Mapping[str, Any]) -> Iterator[Item]:
        cursor = None
        while True:
            page = self._ask(kind, _calls.page(path, filters, cursor))
            yield from page.items
            if (cursor := page.next_cursor) is None:
                return

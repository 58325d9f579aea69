"""The Python client against a started system."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx2
import pytest

from mls import AsyncClient, Client, Progress, Status, errors
from tests.clients.people import FaultyWire, Registered

TEXT = "Доставили вовремя, всё отлично!"
ECHO = "echo"


def test_an_answer_comes_with_its_price(client: Client) -> None:
    before = client.balance()
    answer = client.predict(TEXT, model="sentiment")
    assert answer.result()["label"] == "positive"
    assert (answer.status, answer.charged) == (Status.SUCCEEDED, answer.cost)
    assert client.balance().balance == before.balance - answer.charged
    assert client.get(answer.id) == answer
    assert next(client.predictions()) == answer
    assert {one.kind for one in client.transactions()} >= {"grant", "hold", "capture"}


def test_what_was_submitted_is_waited_for_streamed_repeated_and_canceled(client: Client) -> None:
    accepted = client.submit({"text": "hello"}, model=ECHO)
    ended = client.wait(accepted.id, timeout_s=60)
    assert ended.result() == {"text": "hello"}
    repeated = client.repeat(accepted.id)
    *_, last = client.stream(repeated.id)
    assert (last.prediction.id, last.prediction.status) == (repeated.id, Status.SUCCEEDED)
    with pytest.raises(errors.AlreadyFinished):
        client.cancel(accepted.id)


def test_a_batch_and_a_quote_of_it_cost_the_same(client: Client) -> None:
    inputs: list[str | dict[str, str]] = ["one", {"text": "two"}]
    quote = client.quote(inputs, model=ECHO)
    assert quote.is_enough
    batch = client.submit_batch(inputs, model=ECHO)
    assert quote.cost_max == batch.cost
    assert [client.wait(item.id, timeout_s=60).result()["text"] for item in batch.items] == ["one", "two"]
    assert len(list(client.predictions(batch_id=str(batch.batch_id), limit=1))) == 2, "pages are followed"


def test_a_map_keeps_the_order_and_the_bound_and_tells_its_progress(anna: Registered) -> None:
    flying, most = Counter[str](), [0]
    lock = threading.Lock()

    def take_off(_request: httpx2.Request) -> None:
        with lock:
            flying["now"] += 1
            most[0] = max(most[0], flying["now"])

    def land(_request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        with lock:
            flying["now"] -= 1
        return response

    taken = itertools.count()
    inputs: list[str | dict[str, object]] = [f"text {place}" for place in range(60)]
    inputs[7] = {"txet": "misspelled"}

    def given() -> Iterator[str | dict[str, object]]:
        for one in inputs:
            next(taken)
            yield one

    told: list[Progress] = []
    with anna.client(FaultyWire(take_off, land)) as client:
        answers = client.map(given(), model=ECHO, concurrency=4, on_progress=told.append)
        first = next(answers)
        assert next(taken) <= 10, "inputs are taken as they are needed"
        found = [first, *answers]
    assert [one.input for one in found] == inputs
    assert [one.result()["text"] for one in found if one.is_success] == [one for one in inputs if isinstance(one, str)]
    assert isinstance(found[7].error, errors.InvalidInput)
    assert most[0] <= 4
    assert ([one.done for one in told], told[-1].failed) == (list(range(1, 61)), 1)


def test_an_error_that_concerns_all_ends_a_map(client: Client) -> None:
    with pytest.raises(errors.ModelNotFound):
        list(client.map(["a"] * 20, model="nothing"))


@pytest.mark.parametrize("fault", ["lost", "cut", "bad gateway", "busy"])
def test_a_request_is_repeated_with_its_key_and_paid_once(anna: Registered, fault: str) -> None:
    """Every first try fails, before or after the service has accepted it."""
    seen: set[str] = set()

    def is_first(request: httpx2.Request) -> bool:
        key = request.headers.get("Idempotency-Key", "")
        return key not in seen and not seen.add(key)  # type: ignore[func-returns-value]

    def before(request: httpx2.Request) -> httpx2.Response | None:
        if fault in {"lost", "bad gateway"} or not is_first(request):
            return None
        if fault == "cut":
            raise httpx2.ConnectError("refused", request=request)
        return httpx2.Response(429, headers={"Retry-After": "0"}, json={"code": "too_many_queued", "detail": "x"})

    def after(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        if fault not in {"lost", "bad gateway"} or not is_first(request):
            return response
        response.read()
        if fault == "lost":
            raise httpx2.ReadError("reset", request=request)
        return httpx2.Response(502, text="<html>Bad Gateway</html>")

    wire = FaultyWire(before, after)
    with anna.client(wire) as client:
        answers = [client.predict(f"text {place}", model=ECHO) for place in range(3)]
        assert sorted(Counter(wire.keys()).values()) == [2, 2, 2]
        assert {one.id for one in client.predictions()} == {one.id for one in answers}
        assert client.balance().held == 0


def test_a_wait_that_the_service_asks_for_is_kept(anna: Registered) -> None:
    asked = itertools.count()

    def busy(request: httpx2.Request) -> httpx2.Response | None:
        if request.url.path != "/balance" or next(asked):
            return None
        return httpx2.Response(503, headers={"Retry-After": "1"}, json={"code": "overloaded", "detail": "x"})

    with anna.client(FaultyWire(busy)) as client:
        began = time.monotonic()
        client.balance()
        assert time.monotonic() - began >= 1.0


def test_a_refusal_is_raised_by_its_code_and_not_repeated(anna: Registered) -> None:
    wire = FaultyWire()
    with anna.client(wire) as client:
        with pytest.raises(errors.InvalidInput) as refused:
            client.predict("", model="sentiment")
        assert refused.value.errors[0]["location"] == "input.text"
        assert refused.value.request_id
        with pytest.raises(errors.ModelNotFound):
            client.predict("a", model="nothing")
        with pytest.raises(errors.InsufficientCredits) as poor:
            client.submit_batch(["a"] * 900, model="sentiment")
        assert poor.value.balance < poor.value.cost == 900
        with pytest.raises(errors.NotFound):
            client.get(uuid4())
        assert max(Counter(wire.keys()).values()) == 1
    with (
        Client(anna.url, username=anna.username, password="wrong password") as stranger,
        pytest.raises(errors.WrongCredentials),
    ):
        stranger.balance()
    with Client(anna.url, api_key="mls_nobody") as stranger, pytest.raises(errors.Unauthenticated):
        stranger.balance()


def test_a_key_asks_within_its_bounds(anna: Registered) -> None:
    with anna.client() as client:
        token = client._http.auth  # type: ignore[attr-defined]
        cap = {"credits": 2, "per": "total"}
        wanted = {"name": "ci", "scopes": ["predict"], "models": [ECHO], "spend_cap": cap}
        made = httpx2.post(f"{anna.url}/api-keys", json=wanted, auth=token)
        assert made.status_code == 201, made.text
    with Client(anna.url, api_key=made.json()["key"]) as client:
        assert client.predict("hello", model=ECHO).result() == {"text": "hello"}
        with pytest.raises(errors.ModelNotAllowed):
            client.predict("hello", model="sentiment")
        with pytest.raises(errors.KeyCapExceeded) as refused:
            client.submit_batch(["a", "b"], model=ECHO)
        assert (refused.value.cap_left, refused.value.cost) == (1, 2)
        with pytest.raises(errors.ScopeMissing):
            client.balance()


def test_one_of_many_threads_renews_a_token_that_ends(anna: Registered) -> None:
    wire = FaultyWire()

    def tokens() -> int:
        return sum(one.url.path == "/token" for one in wire.requests)

    with anna.client(wire) as client, ThreadPoolExecutor(8) as pool:
        client.balance()
        assert tokens() == 1
        client._http.auth._fresh_until = 0.0  # type: ignore[union-attr]
        list(pool.map(lambda _turn: client.balance(), range(24)))
        assert tokens() == 2


def test_a_session_that_was_ended_elsewhere_is_begun_again(anna: Registered) -> None:
    with anna.client() as client:
        client.balance()
        token = client._http.auth._tokens.access_token  # type: ignore[union-attr]
        ended = httpx2.post(f"{anna.url}/logout", headers={"Authorization": f"Bearer {token}"})
        assert ended.status_code == 204
        assert client.balance().held == 0


class Cut(httpx2.SyncByteStream):
    """A stream that breaks after its first piece."""

    def __init__(self, stream: httpx2.SyncByteStream, request: httpx2.Request) -> None:
        self._stream, self._request = stream, request

    def __iter__(self) -> Iterator[bytes]:
        yield next(iter(self._stream))
        raise httpx2.ReadError("reset", request=self._request)

    def close(self) -> None:
        self._stream.close()


def test_a_stream_goes_on_over_broken_connections(anna: Registered) -> None:
    cuts = itertools.count()

    def cut(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        if not request.url.path.endswith("/events") or next(cuts) > 2:
            return response
        assert isinstance(response.stream, httpx2.SyncByteStream)
        return httpx2.Response(response.status_code, headers=response.headers, stream=Cut(response.stream, request))

    with anna.client(FaultyWire(after=cut)) as client:
        accepted = client.submit("followed", model=ECHO)
        states = [update.prediction.status for update in client.stream(accepted.id)]
    assert states[-1] is Status.SUCCEEDED
    assert states == sorted(states, key=list(Status).index)
    assert next(cuts) >= 1


async def test_the_same_for_asyncio(anna: Registered) -> None:
    told: list[Progress] = []
    async with AsyncClient(anna.url, username=anna.username, password=anna.password) as client:
        answers, models, balance = await asyncio.gather(
            asyncio.gather(*(client.predict(f"text {place}", model=ECHO) for place in range(8))),
            client.models(),
            client.balance(),
        )
        assert [one.result()["text"] for one in answers] == [f"text {place}" for place in range(8)]
        assert ECHO in {one.name for one in models}
        assert balance.balance > 0
        accepted = await client.submit("hello", model=ECHO)
        assert (await client.wait(accepted.id, timeout_s=60)).result() == {"text": "hello"}
        updates = [update async for update in client.stream(accepted.id)]
        assert updates[-1].prediction.status is Status.SUCCEEDED
        inputs = [f"line {place}" for place in range(30)]
        found = [one async for one in client.map(inputs, model=ECHO, concurrency=3, on_progress=told.append)]
        assert [one.result()["text"] for one in found] == inputs
        assert (told[-1].done, told[-1].total) == (30, 30)
        assert len([one async for one in client.predictions(limit=10)]) == 39
        with pytest.raises(errors.ModelNotFound):
            await client.predict("a", model="nothing")
        with pytest.raises(errors.InvalidInput):
            await client.quote("", model="sentiment")

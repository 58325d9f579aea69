"""Bulk jobs over HTTP: files in, results out, credits held at once and given back for what failed."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx2
import pytest

from ml_service.domain.errors import InvalidInput
from ml_service.storage import bulk_jobs, ledger
from ml_service.storage.database import Database
from ml_service.usecases import admin, bulk_receiving
from services.app.api import exports
from services.app.http import uploads
from tests.support.bulk import JSONL, ended, left_behind, lines, sent
from tests.support.service import DEAR, Person, Service, StartService, code_of

CSV = {"Content-Type": "text/csv"}


async def results(person: Person, bulk_id: str) -> list[dict[str, Any]]:
    answer = await person.get(f"/bulk/{bulk_id}/results")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_each_line_is_answered_in_the_order_of_the_file(service: Service, anna: Person) -> None:
    content = lines({"text": "one"}, {"id": "my-7", "input": {"text": "fail"}}, {"text": 3}, "four") + b"\n\nno json\n"
    async with service.worker():
        answer = await sent(anna, content)
        assert answer.status_code == 202, answer.text
        accepted = answer.json()
        assert answer.headers["location"] == f"/bulk/{accepted['bulk_id']}"
        assert (accepted["status"], accepted["lines"], accepted["lines_invalid"]) == ("running", 5, 2)
        assert accepted["cost_max"] == 3
        job = await ended(anna, accepted["bulk_id"])
    assert (job["status"], job["succeeded"], job["failed"], job["charged"]) == ("finished", 2, 1, 2)
    assert job["estimated_s"] == 0
    found = await results(anna, job["bulk_id"])
    assert [(one["line"], one["id"], one["status"], one["cost"]) for one in found] == [
        (1, None, "succeeded", 1),
        (2, "my-7", "failed", 0),
        (3, None, "invalid", 0),
        (4, None, "succeeded", 1),
        (7, None, "invalid", 0),
    ]
    assert found[0]["output"] == {"text": "one"}
    assert found[1]["error"] == {"code": "model_error", "message": "It failed."}
    assert found[2]["error"]["code"] == "invalid_input"
    assert await anna.balance() == (98, 0)


async def test_all_credits_are_held_at_the_start_or_what_is_missing_is_said(service: Service, anna: Person) -> None:
    answer = await sent(anna, lines(*({"text": str(one)} for one in range(100))))
    assert answer.status_code == 202
    assert await anna.balance() == (0, 100)
    answer = await sent(anna, lines({"text": "a"}, {"text": "b"}))
    assert code_of(answer) == (402, "insufficient_credits")
    assert (answer.json()["cost"], answer.json()["balance"], answer.json()["missing"]) == (2, 0, 2)
    assert await left_behind(service) == [1, 1]


async def test_a_canceled_job_keeps_and_pays_what_has_ended(start_service: StartService) -> None:
    async with start_service(feed_interval_s=0.05) as service:
        anna = await service.join("anna")
        async with service.database.begin() as session:
            user = await session.fetchval("SELECT id FROM users WHERE username = 'anna'")
            await session.execute("UPDATE users SET balance = balance + 20000 WHERE id = $1", user)
            await session.execute(
                "INSERT INTO transactions (user_id, kind, amount, actor_kind, actor_id)"
                " VALUES ($1, 'top_up', 20000, 'system', 'test')",
                user,
            )
        answer = await sent(anna, lines(*({"text": str(one)} for one in range(20_000))))
        bulk_id = answer.json()["bulk_id"]
        async with service.worker(), asyncio.timeout(60):
            while (await anna.get(f"/bulk/{bulk_id}")).json()["succeeded"] == 0:
                await asyncio.sleep(0.02)
            answer = await anna.post(f"/bulk/{bulk_id}/cancel")
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] == "canceled"
        assert (await anna.post(f"/bulk/{bulk_id}/cancel")).status_code == 200
        job = await ended(anna, bulk_id)
        found = await results(anna, bulk_id)
        assert job["succeeded"] + job["canceled"] == 20_000 == len(found)
        assert sum(one["status"] == "succeeded" for one in found) == job["succeeded"] > 0
        assert {one["status"] for one in found} == {"succeeded", "canceled"}
        assert await anna.balance() == (20_100 - job["succeeded"], 0)
        answer = await anna.get("/bulk")
        assert [one["bulk_id"] for one in answer.json()["items"]] == [bulk_id]


async def test_a_repeated_key_is_answered_with_the_first_job(service: Service, anna: Person) -> None:
    content = lines({"text": "a"}, {"text": "b"})
    first = await sent(anna, content, Idempotency_Key="k")
    again = await sent(anna, content, Idempotency_Key="k")
    assert (again.status_code, again.json()["bulk_id"]) == (202, first.json()["bulk_id"])
    assert again.headers["idempotent-replayed"] == "true"
    assert code_of(await sent(anna, content + lines("c"), Idempotency_Key="k")) == (422, "idempotency_key_reused")
    assert code_of(await anna.predict(Idempotency_Key="k")) == (422, "idempotency_key_reused")
    named = await sent(anna, content, "?model=echo", Idempotency_Key="k")
    assert (named.status_code, named.json()["bulk_id"]) == (202, first.json()["bulk_id"])
    await anna.predict(Idempotency_Key="single")
    assert code_of(await sent(anna, content, Idempotency_Key="single")) == (422, "idempotency_key_reused")
    together = await asyncio.gather(*(sent(anna, content, Idempotency_Key="twin") for _ in range(2)))
    assert len({answer.json()["bulk_id"] for answer in together}) == 1, [one.text for one in together]
    assert await anna.balance() == (95, 5)
    assert await left_behind(service) == [2, 2]


async def test_a_job_whose_start_was_committed_unheard_runs_with_all_its_lines(service: Service, anna: Person) -> None:
    content = lines({"text": "a"}, {"text": "b"})
    async with service.database.begin() as session:
        await session.execute(
            "CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$"
        )
        await session.execute(
            "CREATE CONSTRAINT TRIGGER slow_commit AFTER UPDATE ON bulk_jobs DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW WHEN (OLD.status = 'receiving' AND NEW.status = 'running') EXECUTE FUNCTION be_slow()"
        )
    bulk = service.components.bulk
    patient, bulk._database = bulk._database, Database(bulk._database._pool, 0.5)
    assert code_of(await sent(anna, content, Idempotency_Key="k")) == (503, "database_unavailable")
    bulk._database = patient
    async with asyncio.timeout(30):
        while await anna.balance() != (98, 2):
            await asyncio.sleep(0.05)
    again = await sent(anna, content, Idempotency_Key="k")
    assert again.headers["idempotent-replayed"] == "true"
    async with service.worker():
        job = await ended(anna, again.json()["bulk_id"])
    assert (job["status"], job["succeeded"]) == ("finished", 2)
    assert await anna.balance() == (98, 0)


async def test_csv_is_read_by_the_columns_that_the_model_names(service: Service, anna: Person) -> None:
    table = b'n;text\r\n1;"one; with ""quotes""\nand two lines"\r\n\r\n;two\r\nx;three\r\n'
    async with service.worker():
        answer = await anna.post("/bulk?model=echo", content=table, headers=CSV)
        assert answer.status_code == 202, answer.text
        job = await ended(anna, answer.json()["bulk_id"])
    assert (job["lines"], job["lines_invalid"]) == (3, 1)
    found = await results(anna, job["bulk_id"])
    assert [(one["line"], one["output"]) for one in found] == [
        (2, {"text": 'one; with "quotes"\nand two lines', "n": 1}),
        (4, {"text": "two"}),
        (5, None),
    ]
    other = b"a,b\nx,=good\ny,bad\n"
    async with service.worker():
        answer = await anna.post("/bulk?column=b", content=other, headers=CSV)
        job = await ended(anna, answer.json()["bulk_id"])
    answer = await anna.get(f"/bulk/{job['bulk_id']}/results?format=csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [(row["line"], row["text"], row["status"], row["output.text"]) for row in rows] == [
        ("2", "'=good", "succeeded", "'=good"),
        ("3", "bad", "succeeded", "bad"),
    ]
    answer = await anna.post("/bulk?column=c", content=other, headers=CSV)
    assert code_of(answer) == (422, "invalid_input")
    assert answer.json()["errors"][0]["location"] == "query.column"


async def test_files_that_cannot_be_are_refused_and_leave_nothing_behind(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "SILENCE_S", 0.5)
    settings = {"bulk_bytes_max": 1_000_000, "bulk_lines_max": 2000, "input_bytes_max": 1000}

    async def endless(piece: bytes, count: int, pause_s: float = 0.0) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield piece
            await asyncio.sleep(pause_s)

    async with start_service(**settings) as service:
        anna = await service.join("anna")
        cases = [
            (endless(b"a" * 65_536, 200), 422, "one line without an end"),
            (endless(b"x\n" * 5000, 400), 422, "nothing but bad lines"),
            (endless(lines({"text": "good"}) * 100, 30), 422, "too many lines"),
            (endless(lines({"text": "a" * 900}) * 10, 400), 413, "too many bytes"),
            (endless(b"{", 100, 0.02), 408, "a byte from time to time"),
            (endless(b"", 1, 5.0), 408, "silence"),
            (b"", 422, "nothing"),
            (b"\n\n \n", 422, "nothing but blanks"),
            (b"[" * 900 + b"]" * 900, 422, "deeply nested"),
        ]
        for content, status, what in cases:
            answer = await sent(anna, content)
            assert answer.status_code == status, (what, answer.text)
            assert await left_behind(service) == [0, 0], what
        answer = await sent(anna, b"text\n\xff\xfe\n", Content_Type="text/csv")
        assert code_of(answer) == (422, "invalid_input")
        assert code_of(await sent(anna, b"{}", Content_Encoding="gzip")) == (415, "unsupported_media_type")
        assert code_of(await sent(anna, b"{}", Content_Type="application/json")) == (415, "unsupported_media_type")
        assert code_of(await sent(anna, b"{}", "?model=nobody")) == (404, "model_not_found")
        assert (await service.client.post("/bulk", content=b"{}", headers=JSONL)).status_code == 401
        assert await left_behind(service) == [0, 0]
        assert await anna.balance() == (100, 0)


async def test_results_that_are_no_longer_kept_are_null_and_empty_cells(
    service: Service, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with service.worker():
        job = await ended(anna, (await sent(anna, lines({"text": "one"}, {"text": "two"}))).json()["bulk_id"])
    async with service.database.begin() as session:
        await session.execute("UPDATE predictions SET input = 'null', output = 'null' WHERE input ->> 'text' = 'one'")
    found = await results(anna, job["bulk_id"])
    assert [(one["status"], one["output"], one["cost"]) for one in found] == [
        ("succeeded", None, 1),
        ("succeeded", {"text": "two"}, 1),
    ]
    for is_schema_known in (True, False):
        if not is_schema_known:
            monkeypatch.setattr("services.app.api.bulk._properties", lambda *_: [])
        answer = await anna.get(f"/bulk/{job['bulk_id']}/results?format=csv")
        rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert [row["text"] for row in rows] == ["", "two"]
        assert "null" not in answer.text


async def test_only_so_many_jobs_of_a_user_run(start_service: StartService) -> None:
    async with start_service(bulk_jobs_per_user_max=2) as service:
        anna, bert = await service.join("anna"), await service.join("bert")
        answers = [await sent(anna, lines({"text": "a"})) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [202, 202, 429]
        assert (await sent(bert, lines({"text": "a"}))).status_code == 202


async def test_another_users_job_is_a_missing_one(service: Service, anna: Person) -> None:
    bert = await service.join("bert")
    bulk_id = (await sent(anna, lines({"text": "a"}))).json()["bulk_id"]
    for path in ("", "/results"):
        assert code_of(await bert.get(f"/bulk/{bulk_id}{path}")) == (404, "not_found")
    assert code_of(await bert.post(f"/bulk/{bulk_id}/cancel")) == (404, "not_found")
    assert (await bert.get("/bulk")).json() == {"items": [], "next_cursor": None}


async def test_a_job_that_was_never_received_whole_is_swept(service: Service, anna: Person) -> None:
    await sent(anna, lines({"text": "a"}))
    async with service.database.autocommit() as session:
        await session.execute(
            "INSERT INTO bulk_jobs (id, user_id, source, model, version, pool, price_credits, lines, waiting, chunks,"
            " seen_at) SELECT gen_random_uuid(), id, 'api', 'echo', '1', 'default', 1, 1, 1, 1,"
            " now() - interval '3 minutes' FROM users"
        )
        await session.execute(
            "INSERT INTO bulk_chunks (bulk_id, number, lines, valid, inputs)"
            " SELECT id, 0, '{1}', 1, '{\"{}\"}' FROM bulk_jobs WHERE status = 'receiving'"
        )
    for _ in range(100):
        if await left_behind(service) == [1, 1]:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(await left_behind(service))


async def test_a_job_of_a_version_that_is_gone_fails_and_is_refunded(start_service: StartService) -> None:
    async with start_service(version_gone_s=1.0) as service:
        anna = await service.join("anna")
        bulk_id = (await sent(anna, lines({"text": "a"}, {"text": "b"}))).json()["bulk_id"]
        job = await ended(anna, bulk_id)
        assert await anna.balance() == (100, 0)
        assert {one["error"]["code"] for one in await results(anna, bulk_id)} == {"version_gone"}
        assert job["failed"] == 2


async def test_events_tell_of_the_job_and_not_of_its_lines(service: Service, anna: Person) -> None:
    found: list[tuple[str, Any]] = []

    async def follow() -> None:
        async with service.client.stream("GET", "/events", headers=anna.headers) as stream:
            name = ""
            async for line in stream.aiter_lines():
                if line.startswith("event:"):
                    name = line.partition(":")[2].strip()
                elif line.startswith("data:"):
                    found.append((name, json.loads(line.partition(":")[2])))
                    if name == "bulk" and found[-1][1]["status"] == "finished":
                        return

    bulk_id = (await sent(anna, lines(*({"text": str(one)} for one in range(50))))).json()["bulk_id"]
    async with service.worker():
        # The in-process transport gives a stream whole: it ends with the sign-in.
        job = await ended(anna, bulk_id)
    assert job["succeeded"] == 50
    position = await service.components.live_changes.begin(anna_id := await user_id_of(service, "anna"))
    assert position is not None
    opened, at = position
    assert (opened.predictions, opened.jobs) == ([], ())
    bulk_id = (await sent(anna, lines({"text": "a"}, {"text": "b"}))).json()["bulk_id"]
    async with service.worker():
        await ended(anna, bulk_id)
    read = await service.components.live_changes.read(anna_id, at)
    assert read is not None
    changes, following, _ = read
    assert changes.predictions == []
    assert [(str(one.id), one.status.value) for one in changes.jobs] == [(bulk_id, "finished")]
    again = await service.components.live_changes.read(anna_id, following)
    assert again is not None
    assert again[0].jobs == ()


async def user_id_of(service: Service, name: str) -> Any:
    async with service.database.autocommit() as session:
        return await session.fetchval("SELECT id FROM users WHERE username = $1", name)


@pytest.mark.slow
async def test_a_deleted_account_keeps_no_job(service: Service, anna: Person) -> None:
    await sent(anna, lines({"text": "private"}))
    answer = await anna.client.request(
        "DELETE", "/users/me", json={"password": "a quiet green river"}, headers=anna.headers
    )
    assert answer.status_code == 204, answer.text
    for _ in range(200):
        if await left_behind(service) == [0, 0]:
            break
        await asyncio.sleep(0.1)
    assert await left_behind(service) == [0, 0]
    async with service.database.autocommit() as session:
        assert (await ledger.audit(session)).is_clean


async def test_an_operator_lists_and_cancels_anybodys_job(service: Service, anna: Person) -> None:
    bulk_id = (await sent(anna, lines({"text": "a"}, {"text": "b"}))).json()["bulk_id"]
    async with service.database.autocommit() as session:
        assert [str(job.id) for job in await bulk_jobs.open_jobs(session, 10)] == [bulk_id]
    for reason in ("too much", "again"):
        job = await admin.cancel_bulk_job(service.database, admin.OPERATOR, UUID(bulk_id), reason=reason)
        assert job.status == "canceled"
    assert await anna.balance() == (100, 0)
    with pytest.raises(InvalidInput):
        await admin.cancel_bulk_job(service.database, admin.OPERATOR, UUID(bulk_id), reason=" ")
    async with service.database.autocommit() as session:
        found, _ = await admin.actions(session, before=None, limit=9)
    assert [(one.action, one.reason) for one in found] == [("bulk.cancel", "too much")]  # once: the second did nothing


async def test_a_key_starts_jobs_within_its_scope_cap_and_models(service: Service, anna: Person) -> None:
    fields = {"name": "ci", "scopes": ["bulk"], "spend_cap": {"credits": 5, "per": "day"}, "models": ["echo"]}
    key = (await anna.post("/api-keys", fields)).json()
    other = (await anna.post("/api-keys", {"name": "other", "scopes": ["predict", "read"]})).json()

    async def by_key(made: dict[str, Any], count: int, query: str = "") -> httpx2.Response:
        headers = JSONL | {"Authorization": f"Bearer {made['key']}"}
        content = lines(*({"text": "fail" if one == 0 else "good"} for one in range(count)))
        return await service.client.post(f"/bulk{query}", content=content, headers=headers)

    async def spent() -> int:
        [found] = [one for one in (await anna.get("/api-keys")).json()["items"] if one["id"] == key["id"]]
        return int(found["spent_credits"])

    assert code_of(await by_key(other, 1)) == (403, "scope_missing")
    assert code_of(await by_key(key, 6)) == (402, "key_cap_exceeded")
    assert code_of(await by_key(key, 1, "?model=dear"))[0] == 403
    assert await spent() == 0
    answer = await by_key(key, 3)
    assert answer.status_code == 202, answer.text
    assert await spent() == 3
    assert code_of(await by_key(key, 3)) == (402, "key_cap_exceeded")
    async with service.worker():
        await ended(anna, answer.json()["bulk_id"])
    assert await spent() == 2
    second = (await by_key(key, 3)).json()["bulk_id"]
    assert await spent() == 5
    await anna.post(f"/bulk/{second}/cancel")
    await ended(anna, second)
    assert await spent() == 2
    assert await anna.balance() == (98, 0)


async def test_a_key_for_bulk_jobs_alone_gets_all_of_the_results(
    service: Service, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "CHECK_S", -1.0)
    monkeypatch.setattr(bulk_receiving, "CHUNK_LINES", 2)
    key = (await anna.post("/api-keys", {"name": "ci", "scopes": ["bulk"]})).json()["key"]
    by_key = {"Authorization": f"Bearer {key}"}
    content = lines(*({"text": str(number)} for number in range(5)))
    started = await service.client.post("/bulk", content=content, headers=JSONL | by_key)
    answer = await service.client.get(f"/bulk/{started.json()['bulk_id']}/results", headers=by_key)
    assert [json.loads(line)["line"] for line in answer.text.splitlines()] == [1, 2, 3, 4, 5]


async def test_a_dear_model_is_held_for_each_line(anna: Person) -> None:
    answer = await sent(anna, lines({"text": "a"}, {"text": "b"}), f"?model={DEAR.full_name}")
    assert (answer.status_code, answer.json()["missing"]) == (402, 20)

"""Search by anything that people quote."""

from __future__ import annotations

from typing import Any

from tests.support.admin import UNKNOWN, id_of
from tests.support.service import Person, Service, code_of


async def found(boss: Person, q: str) -> list[tuple[str, str, str]]:
    answer = await boss.get("/admin/search", params={"q": q})
    assert answer.status_code == 200, answer.text
    return [(one["kind"], one["id"], one["username"]) for one in answer.json()["items"]]


async def test_whatever_somebody_quotes_is_found(service: Service, anna: Person, boss: Person) -> None:
    await service.join("annabel")
    prediction = (await anna.predict()).json()["id"]
    batch = (await anna.post("/predictions/batch", {"items": [{"text": "a"}, {"text": "b"}]})).json()["batch_id"]
    headers = anna.headers | {"Content-Type": "application/x-ndjson"}
    job = await service.client.post("/bulk", params={"model": "echo"}, content='{"text": "a"}\n', headers=headers)
    assert job.status_code == 202, job.text
    key = (await anna.post("/api-keys", {"name": "ci"})).json()
    hook = (
        await anna.post("/webhooks", {"url": "https://example.com/hook", "events": ["prediction.succeeded"]})
    ).json()
    async with service.database.autocommit() as session:
        await session.execute(
            "INSERT INTO telegram_chats (chat_id, own_user_id, user_id, language) SELECT -1007, id, id, 'en' FROM users"
            " WHERE username = 'anna'"
        )
    number = (await anna.get("/transactions")).json()["items"][0]["id"]
    quoted: list[tuple[str, str, Any]] = [
        ("prediction", prediction, prediction.upper()),
        ("batch", batch, batch.replace("-", "")),
        ("bulk_job", job.json()["bulk_id"], job.json()["bulk_id"]),
        ("api_key", key["id"], key["id"]),
        ("api_key", key["id"], key["prefix"]),
        ("api_key", key["id"], key["prefix"][:7]),
        ("webhook", hook["id"], hook["id"]),
        ("user", await id_of(anna), await id_of(anna)),
        ("transaction", str(number), str(number)),
        ("transaction", str(number), f" #{number} "),
        ("chat", "-1007", "-1007"),
    ]
    for kind, id_, q in quoted:
        assert await found(boss, q) == [(kind, id_, "anna")], (kind, q)
    assert [name for _, _, name in await found(boss, "ANN")] == ["anna", "annabel"]


async def test_what_nobody_has_is_not_found(boss: Person) -> None:
    for q in ("%", "_", "'; DROP TABLE users; --", "\u202e", "9" * 19, "mls_%", UNKNOWN):
        assert await found(boss, q) == [], q


async def test_a_search_is_bounded(service: Service, boss: Person) -> None:
    async with service.database.autocommit() as session:
        await session.execute(
            "INSERT INTO users (id, username, username_key)"
            " SELECT gen_random_uuid(), 'many' || n, 'many' || n FROM generate_series(1, 50) AS n"
        )
    assert len(await found(boss, "many")) == 20
    for wrong in ("", "x" * 101, "a\0"):
        assert code_of(await boss.get("/admin/search", params={"q": wrong})) == (422, "invalid_input")


async def test_each_look_up_reads_an_index(service: Service) -> None:
    """Also of tables with many rows: the planner is told that reading them all costs a lot."""
    from ml_service.storage import searching

    cases = [
        (searching._BY_ID, "'00000000-0000-0000-0000-000000000001'::uuid"),
        (searching._BY_NUMBER, "5"),
        (searching._BY_PREFIX, "'mls_a', 'mls_b', 20"),
        (searching._BY_NAME, "'a', 'b', 20"),
    ]
    async with service.database.begin() as session:
        await session.execute("SET LOCAL enable_seqscan = off")
        await session.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        for number, (statement, arguments) in enumerate(cases):
            await session.execute(f"PREPARE look_{number} AS {statement}")
            rows = await session.fetch(f"EXPLAIN EXECUTE look_{number}({arguments})")
            plan = "\n".join(row[0] for row in rows)
            assert "Seq Scan" not in plan, plan

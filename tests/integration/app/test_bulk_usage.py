"""What a key's bulk jobs are counted as."""

from __future__ import annotations

import asyncio

from ml_service.background.usage_sums import UsageSums
from tests.integration.app.test_bulk import JSONL, ended, lines
from tests.support.service import Person, Service
from tests.support.waiting import PATIENCE_S


async def test_the_lines_of_a_keyed_job_are_the_keys(service: Service, anna: Person) -> None:
    key = (await anna.post("/api-keys", {"name": "ci", "scopes": ["bulk"]})).json()

    async def used() -> list[tuple[object, ...]]:
        answer = await anna.get("/usage?by=key")
        return [
            (one["key_name"], one["predictions"], one["succeeded"], one["credits"]) for one in answer.json()["items"]
        ]

    async def sum_all() -> None:
        await asyncio.sleep(0.01)  # an id of this millisecond is not older than now
        await UsageSums(service.database, lag_s=0, pause_s=0).sum()

    headers = JSONL | {"Authorization": f"Bearer {key['key']}"}
    content = lines({"text": "a"}, {"text": "b"}, {"text": "c"})
    job = (await service.client.post("/bulk", content=content, headers=headers)).json()
    await anna.predict("by hand")
    async with asyncio.timeout(PATIENCE_S):
        while await used() != [("ci", 3, 0, 0), (None, 1, 0, 0)]:  # counted
            await asyncio.sleep(0.05)
    for status in ("", "&status=queued", "&status=failed"):
        listed = (await anna.get(f"/predictions?key={key['id']}{status}")).json()["items"]
        assert [one["batch_id"] for one in listed] == ([] if "failed" in status else [job["bulk_id"]] * 3), status
    assert (await anna.get(f"/predictions?key={job['bulk_id']}")).json()["items"] == []
    await sum_all()
    assert await used() == [("ci", 3, 0, 0), (None, 1, 0, 0)]  # passed
    async with service.worker():
        await ended(anna, job["bulk_id"])
    await sum_all()
    assert (await used())[0] == ("ci", 3, 3, 3)  # summed once they had ended
    job = (await service.client.post("/bulk", content=content, headers=headers)).json()
    async with service.worker():
        await ended(anna, job["bulk_id"])
    await sum_all()
    assert (await used())[0] == ("ci", 6, 6, 6)  # summed at once

"""What ends while the model computes it, canceled or past its deadline, frees the model and harms no neighbour."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.hosts import MODELS
from tests.support.rig import Rig, Setup, running_rig
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.slow

PASSWORD = "a quiet green river"
SLEEPER = """
import time
from pathlib import Path
from ml_service.runtime.author import Model

class Sleeper(Model):
    name = "sleeper"
    version = "1"
    description = "Takes long to load, and longer to answer where it is asked to."
    input_schema = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    output_schema = {"type": "object"}
    timeout_s = 60.0
    load_timeout_s = 60.0

    def load(self):
        time.sleep(LOAD_S)

    def predict(self, inputs):
        for one in inputs:
            if one["text"] == "!hang":
                Path(__file__).with_name("begun").touch()
                time.sleep(300)
        return inputs
"""


@asynccontextmanager
async def signed_in(rig: Rig) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=rig.urls[0]) as client:
        person = {"username": "anna", "password": PASSWORD}
        (await client.post("/users", json=person)).raise_for_status()
        tokens = (await client.post("/token", data=person)).raise_for_status().json()
        client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        yield client


@asynccontextmanager
async def troublesome(database_url: str, models: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """Somebody who is signed in, at an app with one worker."""
    env = {"DEFAULT_MODEL": "troublesome", "MODELS_FOLDER": str(models)}
    setup = Setup(apps=1, workers=1, models="troublesome", env=env)
    async with running_rig(database_url, None, setup) as rig, signed_in(rig) as client:
        yield client


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """Somebody who is signed in; a batch that hangs is stopped after 5 s."""
    async with troublesome(database_url, MODELS) as client:
        yield client


@pytest.fixture
async def patient(database_url: str, tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """The same, where the model's own timeout stops nothing during a test."""
    file = shutil.copytree(MODELS / "troublesome", tmp_path / "models" / "troublesome") / "model.py"
    source = file.read_text()
    assert "timeout_s = 5.0" in source
    file.write_text(source.replace("timeout_s = 5.0", "timeout_s = 600.0"))
    async with troublesome(database_url, tmp_path / "models") as client:
        yield client


async def look(client: httpx2.AsyncClient, prediction_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/predictions/{prediction_id}")).raise_for_status().json()
    return found


async def until_status(client: httpx2.AsyncClient, prediction_id: str, *wanted: str) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        while (found := await look(client, prediction_id))["status"] not in wanted:
            await asyncio.sleep(0.02)
    return found


async def submit(client: httpx2.AsyncClient, text: str, **more: Any) -> str:
    answer = await client.post("/predictions/predict", json={"text": text, **more})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def test_a_canceled_prediction_that_runs_alone_frees_the_model(patient: httpx2.AsyncClient) -> None:
    hanging = await submit(patient, "!hang")
    await until_status(patient, hanging, "processing")
    assert (await patient.post(f"/predictions/{hanging}/cancel")).json()["status"] == "canceled"
    await until_status(patient, await submit(patient, "next"), "succeeded")
    assert (await patient.get("/balance")).json()["held"] == 0


async def test_a_deadline_stops_what_runs_and_frees_the_model(patient: httpx2.AsyncClient) -> None:
    hanging = await submit(patient, "!hang", deadline_s=5)
    await until_status(patient, hanging, "processing")
    await until_status(patient, await submit(patient, "next"), "succeeded")
    expired = await look(patient, hanging)
    assert (expired["status"], expired["error"]["code"], expired["charged"]) == ("expired", "deadline_exceeded", 0)
    assert (await patient.get("/balance")).json()["held"] == 0


async def test_neighbours_of_a_canceled_prediction_are_answered_and_paid(client: httpx2.AsyncClient) -> None:
    items = [{"text": "!nap"}] * 30
    batch = (await client.post("/predictions/batch", json={"items": items})).raise_for_status().json()
    first, *others = (item["id"] for item in batch["items"])
    await until_status(client, first, "processing")
    assert (await client.post(f"/predictions/{first}/cancel")).status_code == 200
    ended = [await until_status(client, one, "succeeded", "failed", "canceled") for one in others]
    assert {one["status"] for one in ended} == {"succeeded"}
    assert {one["attempts"] for one in ended} == {1}
    canceled = await look(client, first)
    assert (canceled["status"], canceled["charged"], canceled["output"]) == ("canceled", 0, None)


async def test_a_canceled_prediction_in_a_batch_that_hangs_leaves_its_neighbours_unharmed(
    client: httpx2.AsyncClient,
) -> None:
    items = [{"text": "!hang"}, *[{"text": f"word {place}"} for place in range(20)]]
    batch = (await client.post("/predictions/batch", json={"items": items})).raise_for_status().json()
    hanging, *others = (item["id"] for item in batch["items"])
    await until_status(client, hanging, "processing")
    await client.post(f"/predictions/{hanging}/cancel")
    ended = [await until_status(client, one, "succeeded", "failed", "canceled") for one in others]
    assert {one["status"] for one in ended} == {"succeeded"}
    assert (await look(client, hanging))["status"] == "canceled"


@pytest.mark.parametrize(
    ("load_s", "patience_s"), [(2, 600), (8, 4)], ids=["soon", "later than the worker waits for it"]
)
async def test_a_prediction_that_is_canceled_while_its_model_wakes_never_reaches_it(
    database_url: str, tmp_path: Path, load_s: int, patience_s: int
) -> None:
    folder = tmp_path / "sleeper"
    folder.mkdir()
    (folder / "model.py").write_text(SLEEPER.replace("LOAD_S", str(load_s)))
    env = {
        "DEFAULT_MODEL": "sleeper",
        "MODELS_FOLDER": str(tmp_path),
        "MODEL_IDLE_S": "1",
        "MODEL_LOAD_TIMEOUT_S": str(patience_s),
        "WORKER_HEARTBEAT_S": "0.5",
    }
    setup = Setup(apps=1, workers=1, models="sleeper", env=env)
    async with running_rig(database_url, None, setup) as rig, signed_in(rig) as client:
        async with asyncio.timeout(PATIENCE_S):
            while (await client.get("/models/sleeper")).json()["state"] != "sleeping":
                await asyncio.sleep(0.1)
        hanging = await submit(client, "!hang")
        await until_status(client, hanging, "processing")
        assert (await client.post(f"/predictions/{hanging}/cancel")).json()["status"] == "canceled"
        await until_status(client, await submit(client, "next"), "succeeded")
        assert not (folder / "begun").exists()
        assert rig.workers[0].log.read_text().count('"batch_stopped"') == 1

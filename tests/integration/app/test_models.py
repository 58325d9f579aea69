"""Models as the API shows them: versions, the default one, what is live, and what unknown names cost."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace

import pytest
import structlog

from engine.common.state import ROOT
from ml_service.domain.errors import ModelNotFound
from ml_service.domain.models import FailedModel, ModelState
from ml_service.storage import models, prediction_stats, workers
from ml_service.storage.database import Database
from ml_service.storage.workers import Worker
from ml_service.usecases import models as use_cases
from ml_service.usecases.model_times import ModelTimes
from ml_service.usecases.workers import failed_models
from tests.support.service import ECHO, Person, Service, code_of

NUMBER: dict[str, object] = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
V2 = replace(ECHO, version="2", input_schema=NUMBER, output_schema=NUMBER)


async def announce_v2(
    service: Service, *, served: list[str], failed: str = "", states: dict[str, ModelState] | None = None
) -> None:
    states = {"echo": ModelState("failed", "1", failed)} if failed else states or {}
    async with service.database.autocommit() as session:
        assert await models.announce(session, [V2]) == []
        await workers.beat(
            session,
            "worker-1",
            1,
            "h",
            1,
            pools=["default"],
            models=["dear@1", *served],
            model_states=states,
            state="ready",
            lease_s=60,
        )
    await service.components.catalog.refresh()
    await service.components.load.look()


@pytest.fixture
async def living_worker(database: Database) -> AsyncIterator[None]:
    """Let the worker that is announced live on, however long a test takes: without its lock it is gone in seconds."""
    async with database.autocommit(timeout_s=600) as session:
        await workers.hold_lock(session, 1)
        yield


async def test_a_model_is_shown_with_all_its_versions(service: Service) -> None:
    await announce_v2(service, served=["echo@2"])
    shown = (await service.client.get("/models/echo")).json()
    assert (shown["version"], shown["is_live"]) == ("1", False)
    versions = [(one["version"], one["is_default"], one["is_live"], one["workers"]) for one in shown["versions"]]
    assert versions == [("1", True, False, 0), ("2", False, True, 1)]
    assert "models promote echo@2" in shown["reason"]
    second = (await service.client.get("/models/echo@2")).json()
    assert (second["version"], second["input_schema"], second["reason"]) == ("2", NUMBER, None)
    assert code_of(await service.client.get("/models/echo@3")) == (404, "model_not_found")


async def test_the_default_model_and_a_models_default_version_are_told_apart(service: Service) -> None:
    for name, is_default_model in (("echo", True), ("dear", False)):
        shown = (await service.client.get(f"/models/{name}")).json()
        assert (shown["is_default"], shown["versions"][0]["is_default"]) == (is_default_model, True), name
    schemas = (await service.client.get("/openapi.json")).json()["components"]["schemas"]
    said = {name: schemas[name]["properties"]["is_default"]["description"] for name in ("Model", "ModelVersion")}
    assert "the service's default model: a request without `model` gets it" in said["Model"]
    assert "the model's default version: a request that names the model alone gets it" in said["ModelVersion"]


async def test_health_says_why_the_default_model_is_not_served(service: Service) -> None:
    await announce_v2(service, served=["echo@2"], failed="It needs torch.")
    health = (await service.client.get("/health")).json()
    assert health["status"] == "degraded"
    assert [one.partition(" It is")[0] for one in health["problems"]] == ["It needs torch."]
    async with service.database.autocommit() as session:
        await models.promote(session, "echo", "2")
    await announce_v2(service, served=["echo@2"])
    assert (await service.client.get("/health")).json()["problems"] == []


@pytest.mark.usefixtures("living_worker")
async def test_the_status_command_repeats_what_health_says_with_the_next_step(
    service: Service, database_url: str
) -> None:
    env = {"PATH": os.environ["PATH"], "DATABASE_URL": database_url, "SETTINGS_FOLDER": "/nowhere"}

    async def problems(default_model: str = "echo") -> list[str]:
        command = [sys.executable, "-m", "ml_service.cli", "status", "--json"]
        process = await asyncio.create_subprocess_exec(
            *command, env={**env, "DEFAULT_MODEL": default_model}, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
        return list(json.loads(said)["problems"])

    async def health() -> list[str]:
        return list((await service.client.get("/health")).json()["problems"])

    await announce_v2(service, served=["echo@2"])
    assert await problems() == await health()
    assert "models promote echo@2" in (await problems())[0]
    await announce_v2(service, served=[])
    assert await problems() == [f"{(await health())[0]} Next: python3 start.py --logs worker"]
    await announce_v2(service, served=["echo@1"])
    assert (await problems(), await health()) == ([], [])
    assert await problems("nobody") == [
        "No worker has announced the model nobody yet. Next: python3 start.py --logs worker"
    ]
    async with service.database.begin() as session:
        await models.set_enabled(session, "echo", is_enabled=False)
    assert await problems() == ["The model echo is switched off. Next: python3 start.py --cli models enable echo"]


@pytest.mark.usefixtures("living_worker")
async def test_a_default_version_that_no_worker_has_is_a_problem_of_the_service(
    service: Service, database_url: str
) -> None:
    async def inside() -> list[str]:
        command = [sys.executable, "-m", "ml_service.cli", "status", "--json"]
        env = {"PATH": os.environ["PATH"], "DATABASE_URL": database_url, "DEFAULT_MODEL": "echo"}
        env["SETTINGS_FOLDER"] = "/nowhere"
        process = await asyncio.create_subprocess_exec(*command, env=env, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
        said, _ = await process.communicate()
        return list(json.loads(said)["problems"])

    async def health() -> tuple[str, list[str]]:
        body = (await service.client.get("/health")).json()
        return body["status"], body["problems"]

    five = [replace(ECHO, name="five", version=version) for version in ("1.0.0", "1.1.0")]
    async with service.database.autocommit() as session:
        await models.announce(session, five)
    ready = {"echo": ModelState("ready", "1"), "five": ModelState("ready", "1.1.0")}
    await announce_v2(service, served=["echo@1", "five@1.1.0"], states=ready)
    shown = (await service.client.get("/models/five")).json()
    assert shown["state"] == "gone"
    assert shown["reason"].endswith("To change the default: python3 start.py --cli models promote five@1.1.0")
    assert await health() == ("degraded", [shown["reason"]])
    assert await inside() == [shown["reason"]]
    await announce_v2(service, served=["echo@1"], states={"echo": ready["echo"]})
    assert await health() == ("degraded", ["No worker serves five@1.0.0: it waits for one of the pool default."])
    [problem] = await inside()
    assert problem.endswith("a worker that has it, or end the offer: python3 start.py --cli models forget five")
    await announce_v2(service, served=["echo@1"], states={**ready, "five": ModelState("loading")})
    assert await health() == ("ok", [])
    await announce_v2(service, served=["echo@1", "five@1.1.0"], states=ready)
    async with service.database.begin() as session:
        await models.set_enabled(session, "five", is_enabled=False)
    await service.components.catalog.refresh()
    assert await health() == ("ok", [])


async def test_a_request_is_validated_by_the_version_it_names(service: Service, anna: Person) -> None:
    await announce_v2(service, served=["echo@1", "echo@2"])
    for model, value, status in [
        ("echo", {"text": "hi"}, 202),
        ("echo@1", {"text": "hi"}, 202),
        ("echo@2", {"n": 5}, 202),
        ("echo@2", {"text": "hi"}, 422),
        ("echo", {"n": 5}, 422),
        ("echo@3", {"n": 5}, 404),
        ("echo@", {"text": "hi"}, 404),
    ]:
        answer = await service.client.post(
            "/predictions/predict", json={"model": model, "input": value}, headers=anna.headers
        )
        assert answer.status_code == status, (model, value, answer.text)
        if status == 202:
            assert (answer.json()["model"], answer.json()["version"]) == ("echo", model.partition("@")[2] or "1")


@pytest.mark.parametrize(
    ("served", "states", "state", "reason"),
    [
        (["echo@1"], {"echo": ModelState("ready", "1")}, "live", None),
        (["echo@1"], {"echo": ModelState("sleeping", "1")}, "sleeping", None),
        ([], {"echo": ModelState("loading")}, "loading", "A worker is loading echo."),
        ([], {"echo": ModelState("failed", None, "It needs torch.")}, "broken", "It needs torch."),
        (
            [],
            {"other": ModelState("ready", "1")},
            "gone",
            "No worker serves echo@1: it waits for one of the pool default.",
        ),
    ],
)
async def test_a_model_says_what_state_it_is_in_and_why(
    service: Service, served: list[str], states: dict[str, ModelState], state: str, reason: str | None
) -> None:
    await announce_v2(service, served=served, states=states)
    shown = (await service.client.get("/models/echo")).json()
    assert (shown["state"], shown["reason"], shown["is_live"]) == (state, reason, bool(served))
    assert (shown["versions"][0]["state"], shown["versions"][1]["state"]) == (
        state,
        state if state in ("loading", "broken") and states["echo"].version is None else "gone",
    )


async def test_a_model_says_how_long_its_answers_took_lately(service: Service, anna: Person) -> None:
    assert (await service.client.get("/models/echo")).json()["recent"] is None
    async with service.worker():
        for text in ("a", "b", "fail", "c"):
            await anna.predict(text, Prefer="wait=20")
        await anna.post("/predictions/batch", {"items": [{"text": "d"}, {"text": "e"}]})
    times = ModelTimes(service.database)
    found = await times.by_model()
    assert found["echo"].samples == 3  # neither the failed one nor the batch
    assert 0 < found["echo"].median_ms <= found["echo"].p95_ms
    service.components.model_times.forget()
    shown = (await service.client.get("/models")).json()["items"]
    assert [(one["name"], one["recent"] and one["recent"]["samples"]) for one in shown] == [("dear", None), ("echo", 3)]


async def test_the_times_of_models_are_read_once_for_all_requests(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = 0
    read = prediction_stats.answer_times

    async def counted(session: object, rows_read: int) -> object:
        nonlocal reads
        reads += 1
        return await read(session, rows_read)  # type: ignore[arg-type]

    monkeypatch.setattr(prediction_stats, "answer_times", counted)
    times = ModelTimes(service.database)
    await asyncio.gather(*(times.by_model() for _ in range(50)))
    assert reads == 1


async def test_a_model_says_in_other_languages_what_it_does(service: Service) -> None:
    spoken = replace(ECHO, version="2", descriptions={"ru": "Повторяет."})
    async with service.database.autocommit() as session:
        assert await models.announce(session, [spoken]) == []
    said = [(await service.client.get(f"/models/echo{at}")).json()["descriptions"] for at in ("", "@2")]
    assert said == [{}, {"ru": "Повторяет."}]


async def test_a_model_says_how_its_output_may_be_shown(service: Service) -> None:
    shown = replace(ECHO, version="2", output_schema={**NUMBER, "x-view": "table"})
    odd = replace(ECHO, version="3", output_schema={**NUMBER, "x-view": 5})
    async with service.database.autocommit() as session:
        assert await models.announce(session, [shown, odd]) == []
    views = [(await service.client.get(f"/models/echo{at}")).json()["view"] for at in ("", "@2", "@3")]
    assert views == [None, "table", None]
    assert (await service.client.get("/models/echo")).json()["examples"] == [{"text": "hello"}]


async def test_a_worker_goes_on_whatever_its_models_folders_and_errors_are_called(service: Service) -> None:
    await announce_v2(service, served=["echo@2"], states={"\udce8": ModelState("failed", None, "bad header \0 \ud800")})
    async with service.database.autocommit() as session:
        [worker] = await workers.list_live(session)
    assert {name: state.reason for name, state in worker.model_states.items()} == {"?": "bad header   ?"}


async def test_a_request_for_a_model_that_cannot_be_loaded_says_why(service: Service) -> None:
    person = await service.join()
    reason = "No module named 'torch'. Install it, then restart the workers."
    async with service.database.autocommit() as session:
        await workers.beat(
            session,
            "worker-1",
            1,
            "host",
            1,
            pools=["default"],
            models=["echo@1"],
            model_states={"mine": ModelState("failed", None, reason)},
            state="ready",
            lease_s=60,
        )
    for name in ("mine", "mine@2"):
        answer = await person.post("/predictions/predict", {"model": name, "text": "hello"})
        assert code_of(answer) == (404, "model_not_found")
        assert answer.json()["detail"] == f"The model mine cannot be loaded: {reason}"
    other = await person.post("/predictions/predict", {"model": "other", "text": "hello"})
    assert "There is no model of this name" in other.json()["detail"]
    assert await person.balance() == (100, 0)


async def test_unknown_names_do_not_make_the_app_read_the_tables_each_time(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog, reads = service.components.catalog, 0
    await catalog.close()  # no refresh but those for unknown names
    read = models.list_all

    async def counted(session: object, known: object = None) -> object:
        nonlocal reads
        reads += 1
        return await read(session, known)  # type: ignore[arg-type]

    monkeypatch.setattr(models, "list_all", counted)
    began = asyncio.get_running_loop().time()
    for _ in range(3):
        answers = await asyncio.gather(*(catalog.get(f"nothing-{n}") for n in range(300)), return_exceptions=True)
        assert {type(one) for one in answers} == {ModelNotFound}
    assert reads <= 1 + (asyncio.get_running_loop().time() - began) / 0.25


async def test_a_model_is_known_as_soon_as_it_was_announced(service: Service) -> None:
    for number in range(3, 6):
        async with service.database.autocommit() as session:
            await models.announce(session, [replace(ECHO, version=str(number))])
        assert (await service.client.get(f"/models/echo@{number}")).status_code == 200


async def test_a_list_of_many_models_looks_through_the_workers_once(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with service.database.autocommit() as session:
        await models.announce(session, [replace(ECHO, version=str(number)) for number in range(2, 40)])
    await service.components.catalog.refresh()
    looks = 0

    def counted(workers: Iterable[Worker]) -> list[FailedModel]:
        nonlocal looks
        looks += 1
        return failed_models(workers)

    monkeypatch.setattr("services.app.api.schemas.models.failed_models", counted)
    listed = (await service.client.get("/models")).json()["items"]
    assert {one["name"]: len(one["versions"]) for one in listed} == {"echo": 39, "dear": 1}
    assert looks == 1


async def test_a_name_that_lacks_its_version_forgets_nothing(service: Service) -> None:
    async with service.database.begin() as session:
        with pytest.raises(ModelNotFound, match="Name a version behind the @"):
            await use_cases.forget(session, "echo@")
        assert {one.spec.name for one in await models.list_all(session)} == {"echo", "dear"}
        await use_cases.forget(session, "echo@1")
        assert {one.spec.name for one in await models.list_all(session)} == {"dear"}


async def test_a_version_whose_schema_cannot_be_compiled_takes_no_other_model_down(service: Service) -> None:
    outside = {"type": "object", "properties": {"n": {"$ref": "file:///nowhere/schema.json"}}}
    with structlog.testing.capture_logs() as logs:
        async with service.database.autocommit() as session:
            await models.announce(session, [replace(ECHO, name="alien", input_schema=outside)])
            await models.announce(session, [replace(ECHO, version="2", input_schema=outside)])
        await service.components.catalog.refresh()
        await service.components.catalog.refresh()
    said = sorted(entry["model"] for entry in logs if entry["event"] == "model_left_out")
    assert said == ["alien@1", "echo@2"], "each once"
    assert [one.spec.full_name for one in service.components.catalog.all()] == ["dear@1", "echo@1"]
    assert (await service.client.get("/models/echo")).status_code == 200
    for name in ("alien", "alien@1", "echo@2"):
        answer = await service.client.get(f"/models/{name}")
        assert code_of(answer) == (404, "model_not_found")
        assert "cannot be used: Resource 'file:///nowhere/schema.json' is not present" in answer.json()["detail"]

"""One model is loaded again with changed files while the service works: nothing is lost, and no other model stops."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.common.state import ROOT
from tests.support.checker import banking, connected, rows_of, violations
from tests.support.load import Load, loading
from tests.support.rig import Setup, running_rig
from tests.support.waiting import PATIENCE_S, until

pytestmark = pytest.mark.timeout(400)

MODEL = """
import time
from ml_service.runtime.author import Model

class Mine(Model):
    name = "mine"
    version = "1"
    description = "A test."
    input_schema = output_schema = {"type": "object"}

    def predict(self, inputs):
        time.sleep(0.05)
        return [{"text": one["text"], "code": "OLD"} for one in inputs]
"""


async def codes(url: str, ids: list[str]) -> set[str]:
    rows = await rows_of(url)
    return {json.loads(row["output"])["code"] for id_, row in rows.items() if str(id_) in ids and row["output"]}


async def finished(url: str, ids: list[str]) -> None:
    async with connected(url) as connection, asyncio.timeout(PATIENCE_S):
        while await connection.fetchval(
            "SELECT count(*) FROM predictions WHERE id = ANY($1::uuid[]) AND finished_at IS NULL", ids
        ):
            await asyncio.sleep(0.05)


def command(url: str, folder: Path, *arguments: str, expected: int = 0) -> str:
    """Run a command of `ml-service models` as an operator does; what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "ml_service.cli", "models", *arguments],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "DATABASE_URL": url,
            "SETTINGS_FOLDER": "/nowhere",
            "MODELS_FOLDER": str(folder),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == expected, done
    return done.stdout + done.stderr


@asynccontextmanager
async def always_served(url: str, name: str) -> AsyncIterator[None]:
    """A look again and again whether a live worker serves the default version of a model."""

    async def look() -> None:
        async with connected(url) as connection:
            while True:
                assert await connection.fetchval(
                    """
                    SELECT EXISTS (
                        SELECT FROM models AS m
                        JOIN workers AS w ON m.name || '@' || m.default_version = ANY (w.models)
                        WHERE m.name = $1 AND w.lease_until > now()
                    )
                    """,
                    name,
                ), "no worker serves the default version"
                await asyncio.sleep(0.02)

    looking = asyncio.create_task(look())
    try:
        yield
        assert not looking.done(), looking.exception()
    finally:
        looking.cancel()


async def test_changed_files_are_served_after_a_restart_of_that_model_alone(noted_url: str, tmp_path: Path) -> None:
    file = tmp_path / "models" / "mine" / "model.py"
    file.parent.mkdir(parents=True)
    file.write_text(MODEL)
    env = {"MODELS_FOLDER": str(tmp_path / "models"), "WORKER_HEARTBEAT_S": "1"}
    setup = Setup(apps=1, workers=2, models="echo,mine", env=env)
    async with running_rig(noted_url, None, setup) as rig, banking(noted_url):
        async with loading(Load(rig.urls, pause_s=0.05)) as load:
            before = load.new_request(model="mine", items=10)
            assert await load.ask(before)
            file.write_text(MODEL.replace("OLD", "NEW"))
            kept = load.new_request(model="mine", items=10)  # editing alone changes nothing
            assert await load.ask(kept)
            await load.progress(10)
            await finished(noted_url, before.ids + kept.ids)
            said = await asyncio.to_thread(command, noted_url, tmp_path / "models", "restart", "mine")
            assert "The workers load mine again" in said
            asked = [load.new_request(model="mine", items=5) for _ in range(10)]
            assert all([await load.ask(one) for one in asked])
            await until(lambda: all(one.log.read_text().count('"model_ready"') == 3 for one in rig.workers))
            after = load.new_request(model="mine", items=30)
            assert await load.ask(after)
        assert await violations(rig, load) == []
        assert await codes(noted_url, before.ids + kept.ids) == {"OLD"}
        assert await codes(noted_url, after.ids) == {"NEW"}
        rows = await rows_of(noted_url)
        assert {row["status"] for row in rows.values()} == {"succeeded"}
        assert all(process.is_running for process in rig.processes)


@pytest.mark.parametrize("backend", ["postgres", "rabbitmq"])
async def test_a_new_version_is_given_out_by_commands_while_the_default_one_is_always_served(
    noted_url: str, tmp_path: Path, backend: str, request: pytest.FixtureRequest
) -> None:
    amqp_url = request.getfixturevalue("amqp_url") if backend == "rabbitmq" else None
    folder = tmp_path / "models"
    (folder / "mine").mkdir(parents=True)
    (folder / "mine" / "model.py").write_text(MODEL)

    async def models(*arguments: str, expected: int = 0) -> str:
        return await asyncio.to_thread(command, noted_url, folder, *arguments, expected=expected)

    env = {"MODELS_FOLDER": str(folder), "WORKER_HEARTBEAT_S": "1", "DEFAULT_MODEL": "mine"}
    async with running_rig(noted_url, amqp_url, Setup(apps=1, workers=2, models="mine", env=env)) as rig:
        async with (
            loading(Load(rig.urls, pause_s=0.05, model="mine")) as load,
            banking(noted_url),
            always_served(noted_url, "mine"),
        ):
            await load.progress(10)
            (folder / "mine" / "model.py").write_text(MODEL.replace('"1"', '"2"').replace("OLD", "NEW"))
            assert "restart mine --one" in await models("restart", "mine", expected=1)
            said = await models("restart", "mine", "--one")
            assert "serves mine@2 now" in said
            assert len([one for one in rig.workers if one.name in said]) == 1
            await load.progress(10)
            assert "Promote it before" in await models("restart", "mine", "--rest", expected=1)
            await models("promote", "mine@2")
            await load.progress(10)
            assert "serves mine@2 now" in await models("restart", "mine", "--rest")
            assert "serve 2 already" in await models("restart", "mine", "--rest")
            await load.progress(10)
        assert await violations(rig, load) == []
        rows = await rows_of(noted_url)
        assert {row["status"] for row in rows.values()} == {"succeeded"}
        assert {row["version"] for row in rows.values()} == {"1", "2"}
        assert all(process.is_running for process in rig.processes)

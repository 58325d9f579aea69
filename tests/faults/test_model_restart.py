"""One model is loaded again with changed files while the service works: nothing is lost, and no other model stops."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
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
            command = [sys.executable, "-m", "ml_service.cli", "models", "restart", "mine"]
            said = subprocess.run(  # noqa: ASYNC221 - it takes a moment
                command,
                cwd=ROOT,
                env={"PATH": os.environ["PATH"], "DATABASE_URL": noted_url, "SETTINGS_FOLDER": "/nowhere"},
                capture_output=True,
                text=True,
                check=True,
            )
            assert "The workers load mine again" in said.stdout
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

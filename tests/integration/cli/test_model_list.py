"""`ml-service models list` says of each model whether it is served, and why not."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

from engine.common.state import ROOT
from ml_service.domain.models import ModelState
from ml_service.storage import models, workers
from ml_service.storage.database import Database
from tests.support.service import ECHO


async def listing(database_url: str, folder: Path) -> tuple[str, str]:
    """What the command prints, on both streams."""
    env = {"PATH": os.environ["PATH"], "DATABASE_URL": database_url, "SETTINGS_FOLDER": "/nowhere", "COLUMNS": "200"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ml_service.cli", "models", "list"),
        env={**env, "MODELS_FOLDER": str(folder)},
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, reasons = await process.communicate()
    return printed.decode(), reasons.decode()


async def test_each_model_is_listed_with_its_state_and_the_reason(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    for folder in ("empty", "new"):
        (tmp_path / "models" / folder).mkdir(parents=True)
    (tmp_path / "models" / "new" / "model.py").touch()
    names = ("awake", "asleep", "loads", "bad", "five", "closed")
    versions = [*(replace(ECHO, name=name) for name in names), replace(ECHO, name="five", version="2")]
    states = {
        "awake": ModelState("ready", "1"),
        "asleep": ModelState("sleeping", "1"),
        "loads": ModelState("loading"),
        "bad": ModelState("failed", None, "It needs torch."),
        "five": ModelState("ready", "2"),
        "closed": ModelState("ready", "1"),
        "never": ModelState("failed", None, "It needs jax."),
        "first": ModelState("loading"),
    }
    async with database.begin() as session:
        assert await models.announce(session, versions) == []
        await models.set_enabled(session, "closed", is_enabled=False)
        served = ["awake@1", "asleep@1", "five@2", "closed@1"]
        await workers.beat(
            session, "w-1", 1, "h", 1, pools=["default"], models=served, model_states=states, state="ready", lease_s=600
        )
    printed, reasons = await listing(database_url, tmp_path / "models")
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.splitlines() if line.startswith("│")]
    shown = {(name, version): (default, state) for name, version, default, state, *_ in rows}
    assert (
        shown.items()
        >= {
            ("awake", "1"): ("yes", "live"),
            ("asleep", "1"): ("yes", "sleeping"),
            ("loads", "1"): ("yes", "loading"),
            ("bad", "1"): ("yes", "broken"),
            ("five", "1"): ("yes", "gone"),
            ("five", "2"): ("", "live"),
            ("closed", "1"): ("yes", "disabled"),
            ("never", ""): ("", "broken"),
            ("first", ""): ("", "loading"),
            ("empty", ""): ("", "broken"),
            ("new", ""): ("", "off"),
            ("sentiment", ""): ("", "off"),
        }.items()
    )
    assert [line.partition(".")[0] for line in reasons.splitlines()] == [
        "bad: It needs torch",
        "closed: The model closed is switched off",
        "empty: models/empty has no model",
        "five: No worker serves five@1: it waits for one of the pool default",
        "loads: A worker is loading loads",
        "never: It needs jax",
    ], reasons

"""`kill -9` of each process of a whole system under load."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from engine.native.processes import is_running
from tests.support.system import PATIENCE_S, System
from tests.support.traffic import steady
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(600)


async def keep_killing(system: System, name: str) -> None:
    system.until_all_ready()
    async with steady(system, f"kill-{name}") as load:
        for _ in range(2):
            await asyncio.to_thread(system.kill_and_see_it_back, name)
            await load.progress()
    system.until_all_ready()


@pytest.mark.parametrize("name", ["app-1", "worker-1", "postgres"])
async def test_a_killed_process_comes_back_and_nothing_accepted_is_lost(system: System, name: str) -> None:
    await keep_killing(system, name)


@pytest.mark.parametrize("system", ["rabbitmq"], indirect=True)
async def test_a_killed_rabbitmq_comes_back_and_nothing_accepted_is_lost(system: System) -> None:
    await keep_killing(system, "rabbitmq")


async def test_a_killed_models_process_comes_back_and_nothing_accepted_is_lost(system: System) -> None:
    system.until_all_ready()
    worker = system.pids()["worker-1"]
    async with steady(system, "kill-child") as load:
        for _ in range(3):
            await until(lambda: system.child_of("worker-1", "echo") is not None, PATIENCE_S)  # it sleeps until asked
            killed = system.child_of("worker-1", "echo")
            system.kill(killed)
            await until(lambda killed=killed: system.child_of("worker-1", "echo") not in (None, killed), PATIENCE_S)
            await load.progress()
    assert worker == system.pids()["worker-1"]


async def test_all_processes_killed_at_once_come_back_and_nothing_accepted_is_lost(system: System) -> None:
    system.until_all_ready()
    async with steady(system, "kill-all") as load:
        killed = system.pids()
        for pid in killed.values():
            system.kill(pid)
        await until(lambda: not set(killed.values()) & set(system.pids().values()), PATIENCE_S)
        await asyncio.to_thread(system.until_all_ready)
        await load.progress()


async def test_a_killed_supervisor_leaves_no_process_and_the_next_start_recovers(system: System) -> None:
    system.until_all_ready()
    async with steady(system, "kill-supervisor") as load:
        before = system.processes()
        os.kill(system.ask()["pid"], signal.SIGKILL)
        await until(lambda: not any(map(is_running, before)), PATIENCE_S)
        assert "it ended without --stop" in await asyncio.to_thread(system.run, "--status", expected=3)
        await asyncio.to_thread(system.start)
        await load.progress()
    system.until_all_ready()

"""Which workers a restart of a model means, and when it is refused because requests would wait."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ml_service.domain.errors import InvalidInput, ModelNotFound
from ml_service.domain.models import ModelState
from ml_service.storage import admin_actions, model_restarts, models, workers
from ml_service.storage.database import Database
from ml_service.usecases.admin import OPERATOR
from ml_service.usecases.model_restarts import Which, open_of_versions_that_go, restart_model
from tests.support.play import Play
from tests.support.service import ECHO


async def live(database: Database, **versions: str) -> None:
    """Have workers of these names live; each serves ``echo`` in this version, as "2", "2 in gpu" or "failed"."""
    async with database.begin() as session:
        await models.announce(session, [ECHO, replace(ECHO, version="2")])
        for number, (name, said) in enumerate(versions.items()):
            version, _, pool = said.partition(" in ")
            is_failed = version == "failed"
            state = ModelState(
                "failed" if is_failed else "ready", None if is_failed else version, "", pool or "default"
            )
            await workers.beat(
                session,
                name,
                number,
                "h",
                1,
                pools=[state.pool],
                models=[] if is_failed else [f"echo@{version}"],
                model_states={"echo": state},
                state="ready",
                lease_s=60,
            )
            await session.execute(
                "UPDATE workers SET started_at = now() + $2 * interval '1 s' WHERE id = $1", name, number
            )


async def ask(
    database: Database,
    which: Which = Which.ALL,
    *,
    declares: str | None = "1",
    anyway: bool = False,
    name: str = "echo",
) -> list[str] | None:
    async with database.begin() as session:
        return await restart_model(session, OPERATOR, name, which, declares=declares, anyway=anyway)


async def test_all_load_the_default_version_again(database: Database) -> None:
    await live(database, a="1", b="1")
    assert await ask(database) is None
    async with database.autocommit() as session:
        assert (await model_restarts.asked(session)).keys() == {"echo"}
        [action] = await admin_actions.page(session, before=None, limit=10)
        assert (action.action, action.target) == ("model.restart", "model:echo")


async def test_the_default_version_does_not_vanish_unasked(database: Database) -> None:
    await live(database, a="1", b="1")
    with pytest.raises(InvalidInput, match=r"declare echo@2.*default version, 1: .*restart echo --one.*echo --rest"):
        await ask(database, declares="2")
    with pytest.raises(InvalidInput, match="declare echo@2"):
        await ask(database, Which.REST, declares="2")
    async with database.autocommit() as session:
        assert await model_restarts.asked(session) == {}
    assert await ask(database, declares="2", anyway=True) is None


async def test_the_only_worker_is_not_taken_for_a_new_version(database: Database) -> None:
    await live(database, a="1", b="2")
    with pytest.raises(InvalidInput, match="Start one worker more"):
        await ask(database, Which.REST, declares="3")
    with pytest.raises(InvalidInput, match=r"Promote it before \(.*promote echo@2\)"):
        await ask(database, declares="2")
    await live(database, a="1", b="failed")
    assert await ask(database, Which.ONE, declares="2") == ["b"]


async def test_where_nobody_serves_the_default_version_nothing_is_lost(database: Database) -> None:
    await live(database, a="2", b="failed")
    assert await ask(database, declares="2") is None


async def test_one_of_each_pool_is_the_newest_or_the_one_that_differs(database: Database) -> None:
    await live(database, a="1", b="1", c="1 in gpu", d="1 in gpu")
    assert await ask(database, Which.ONE, declares="2") == ["b", "d"]
    await live(database, a="2", b="1", c="1 in gpu", d="1 in gpu")
    assert await ask(database, Which.ONE, declares="2") == ["a", "d"], "a second time it is the same worker"


async def test_the_rest_are_those_without_the_version_of_the_files(database: Database) -> None:
    await live(database, a="2", b="1", c="failed")
    async with database.begin() as session:
        assert await models.promote(session, "echo", "2")
    assert await ask(database, Which.REST, declares="2") == ["b", "c"]
    await live(database, a="2", b="2", c="2")
    assert await ask(database, Which.REST, declares="2") == []


async def test_a_model_that_was_never_announced_is_restarted_where_a_worker_or_a_folder_knows_it(
    database: Database,
) -> None:
    with pytest.raises(ModelNotFound, match=r"No worker knows a model 'mine'.*start\.py --restart"):
        await ask(database, declares=None, name="mine")
    assert await ask(database, declares="1", name="mine") is None
    with pytest.raises(InvalidInput, match="No worker serves mine so far: restart it without --one"):
        await ask(database, Which.ONE, name="mine")


async def test_a_version_with_other_schemas_is_known_as_the_workers_would_refuse_it(database: Database) -> None:
    other = replace(ECHO, input_schema={"type": "object", "title": "Other"})
    async with database.begin() as session:
        assert not await model_restarts.has_other_schemas(session, other)
        await models.announce(session, [ECHO])
        for spec in (ECHO, replace(ECHO, description="Other."), other, replace(other, version="2")):
            refused = bool(await models.announce(session, [spec]))
            assert await model_restarts.has_other_schemas(session, spec) == refused == (spec is other)
        await models.forget(session, "echo")
        assert not await model_restarts.has_other_schemas(session, other)


async def test_what_is_open_of_a_version_that_goes_is_counted(play: Play) -> None:
    await live(play.database, a="2", b="1")
    await play.submit(play.submission(items=3))
    async with play.database.begin() as session:
        assert await open_of_versions_that_go(session, "echo", Which.REST, "2") == {"1": 3}
        assert await open_of_versions_that_go(session, "echo", Which.ALL, "2") == {"1": 3}
        assert await open_of_versions_that_go(session, "echo", Which.ALL, "1") == {"2": 0}
        assert await open_of_versions_that_go(session, "echo", Which.ONE, "2") == {}

"""What a user looks at costs no more because another user has nearly all rows."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from ml_service.domain.credentials import Principal
from ml_service.domain.ledger import Kind
from ml_service.domain.predictions import Status
from ml_service.domain.submissions import Decision
from ml_service.storage import (
    admin_predictions,
    admin_users,
    balance_changes,
    deleted_accounts,
    history,
    history_pages,
    ledger,
    service_load,
    submissions,
    usage,
)
from ml_service.storage.database import Database, Session
from ml_service.storage.history import FIRST_ID, LAST_ID, HistoryFilter
from ml_service.usecases import telegram, users
from services.bot.views.history import FILTERS
from tests.support.plans import rows_read
from tests.support.play import Play

pytestmark = pytest.mark.slow

ROWS = 20_000
READ_MAX = 200
"""Rows that a page of 50 may read."""

_FILL = """
    INSERT INTO predictions
        (id, user_id, model, version, status, source, cost, attempts, worker_id, finished_at, error_code, input)
    SELECT gen_random_uuid(), CASE WHEN n % $3 = 1 THEN $2::uuid ELSE $1::uuid END, 'echo', '1', 'failed', 'api', 1, 1,
        'w', now(), 'model_error', '{}'
    FROM generate_series(1, $3 * 3) AS n
"""
_FILL_SUMS = """
    INSERT INTO usage_sums
    SELECT CASE WHEN n % $3 = 1 THEN $2::uuid ELSE $1::uuid END, date '2026-11-01' + (n % 30)::int, 'm' || n, NULL,
        1, 1, 0, 1
    FROM generate_series(1, $3 * 3) AS n
"""
_FILL_PASSED = """
    INSERT INTO usage_passed
    SELECT id, user_id FROM predictions WHERE user_id = ANY (ARRAY[$1::uuid, $2::uuid]) AND $3::int > 0
"""
_FILL_JOBS = """
    INSERT INTO bulk_jobs (id, user_id, source, model, version, pool, price_credits, status, started_at, finished_at)
    SELECT gen_random_uuid(), CASE WHEN n % $3 = 1 THEN $2::uuid ELSE $1::uuid END, 'api', 'echo', '1', 'default', 1,
        'finished', now(), now()
    FROM generate_series(1, $3 * 3) AS n
"""
_FILL_LEDGER = """
    INSERT INTO transactions (user_id, kind, amount, actor_kind, actor_id)
    SELECT CASE WHEN n % $3 = 1 THEN $2::uuid ELSE $1::uuid END, 'top_up', 1, 'system', 'test'
    FROM generate_series(1, $3 * 3) AS n
"""


@pytest.fixture
async def small(database_url: str) -> Any:
    """A session, a user with three predictions, and one with 60,000."""
    database = await Database.connect(database_url, name="test", timeout_s=60)
    big, small = uuid4(), uuid4()
    async with database.autocommit() as session:
        for name, user_id in (("big", big), ("small", small)):
            await session.execute("INSERT INTO users (id, username, username_key) VALUES ($1, $2, $2)", user_id, name)
        await session.execute(_FILL, big, small, ROWS)
        for fill in (_FILL_LEDGER, _FILL_SUMS, _FILL_PASSED, _FILL_JOBS):
            await session.execute(fill, big, small, ROWS)
        await session.execute("ANALYZE predictions, transactions, users, usage_sums, usage_passed, bulk_jobs")
        yield session, small, big
    await database.close()


async def test_a_small_user_beside_a_big_one_reads_only_their_own_rows(small: tuple[Session, UUID, UUID]) -> None:
    session, user, _ = small
    filters = (None, None, None, None)
    statements: list[tuple[str, str, tuple[object, ...]]] = [
        ("history", history._HISTORY, (user, LAST_ID, FIRST_ID, *filters, 5000, 51, 10**6, None)),
        (
            "failed",
            history._HISTORY_WITHOUT_OUTPUT,
            (user, LAST_ID, FIRST_ID, ["failed"], None, None, None, 5000, 51, 9, None),
        ),
        ("last read", history._LAST_READ, (user, LAST_ID, FIRST_ID, 5000)),
        ("last failed", history._LAST_READ_WITHOUT_OUTPUT, (user, LAST_ID, FIRST_ID, 5000)),
        ("open", history._OPEN_IDS, (user, 5001)),
        ("older in a chat", history_pages._FIND_OLDER, ([user], None, LAST_ID, 5000, 10, 1000)),
        ("newer in a chat", history_pages._FIND_NEWER, ([user], None, FIRST_ID, 5000, 10, 1000)),
        ("failed in a chat", history_pages._FIND_OLDER_WITHOUT_OUTPUT, ([user], ["failed"], LAST_ID, 5000, 10, 1000)),
        ("newer failed", history_pages._FIND_NEWER_WITHOUT_OUTPUT, ([user], ["failed"], FIRST_ID, 5000, 10, 1000)),
        ("open in a chat", history_pages._OPEN_IDS, ([user], 5000)),
        ("older jobs in a chat", history_pages._JOBS_OLDER, ([user], None, LAST_ID, 1000, 10, LAST_ID)),
        ("newer jobs in a chat", history_pages._JOBS_NEWER, ([user], None, FIRST_ID, 1000, 10, FIRST_ID)),
        ("an admin's list", admin_predictions._NEWEST_OF_USER, (LAST_ID, 50, user)),
        ("accounts", admin_users._LIST, (LAST_ID, 50)),
        ("accounts by name", admin_users._LIST_BY_NAME, (LAST_ID, 50, "sm", "sm\U0010ffff")),
        ("account", admin_users._GET, (user,)),
        ("the first of a usage", usage._FIRST, (user, FIRST_ID, LAST_ID)),
        ("a piece of usage", usage._NEXT, (user, FIRST_ID, LAST_ID, 50_000)),
        ("usage that is counted", usage._COUNTED, (user, FIRST_ID, LAST_ID, "model", "2026-11-26")),
        ("usage that is counted by key", usage._COUNTED, (user, FIRST_ID, LAST_ID, "key", "2026-11-26")),
        ("usage that was passed by key", usage._PASSED, (user, FIRST_ID, LAST_ID, "key")),
        ("history by key", history._HISTORY, (user, LAST_ID, FIRST_ID, *filters, 5000, 51, 10**6, FIRST_ID)),
        ("usage that is summed", usage._SUMMED, (user, "2026-11-01", "2026-11-30", "day")),
        ("usage that was passed", usage._PASSED, (user, FIRST_ID, LAST_ID, "day")),
        ("statement", ledger._STATEMENT, (user, ledger.LAST_ID, None, 50)),
        ("statement of a kind", ledger._STATEMENT_OF_KIND, (user, ledger.LAST_ID, "top_up", 50)),
        ("balance changes", balance_changes._LAST, (user, 10, 5000)),
    ]
    read = {name: await rows_read(session, sql, *arguments) for name, sql, arguments in statements}
    assert {name: rows for name, rows in read.items() if rows > READ_MAX} == {}


async def test_a_page_of_a_big_user_stops_reading_when_it_is_full(small: tuple[Session, UUID, UUID]) -> None:
    session, _, user = small
    for sql in (history._HISTORY, history._HISTORY_WITHOUT_OUTPUT):
        arguments = (user, LAST_ID, FIRST_ID, None, None, None, None, 5000, 51, 10**6, None)
        assert await rows_read(session, sql, *arguments) <= READ_MAX


async def test_erasing_a_long_history_reads_no_more_than_it_erases(small: tuple[Session, UUID, UUID]) -> None:
    session, _, user = small
    await session.execute(
        "INSERT INTO accounts_to_erase (user_id, erased_to, deleted_at)"
        " SELECT user_id, id, now() - interval '1 hour' FROM predictions WHERE user_id = $1"
        " ORDER BY id OFFSET $2 LIMIT 1",
        user,
        ROWS * 2,
    )
    # Each row to look at it and to erase it, and the account's own.
    assert await rows_read(session, deleted_accounts._ERASE, user, 500, 10**6) <= 2 * 500 + 5
    assert await session.fetchval("SELECT count(*) FROM predictions WHERE input::text = 'null'") == 500
    assert await rows_read(session, deleted_accounts._FINISH, user, 10) <= 5
    assert await deleted_accounts.pending(session) == [user]


async def test_a_rare_kind_is_found_in_a_long_statement_without_reading_it(small: tuple[Session, UUID, UUID]) -> None:
    session, _, user = small
    for kind, read in (("grant", 0), ("release", 0), ("top_up", 51)):  # the last one: and the user, for the balance
        arguments = (user, ledger.LAST_ID, kind, 50)
        assert await rows_read(session, ledger._STATEMENT_OF_KIND, *arguments) == read
    lines, _ = await ledger.statement(session, user, before=None, kind=Kind.GRANT, limit=50)
    assert lines == []


async def test_the_small_users_page_is_theirs(small: tuple[Session, UUID, UUID]) -> None:
    session, user, _ = small
    page = await history.history(session, user, HistoryFilter((Status.FAILED,)), before=None, limit=50)
    assert (len(page.items), {one.user_id for one in page.items}, page.next_id) == (3, {user}, None)
    lines, _ = await ledger.statement(session, user, before=None, kind=None, limit=50)
    assert [one.user_id for one in lines] == [user] * 3


async def test_the_open_predictions_are_read_once_by_version_and_by_user(play: Play) -> None:
    async with play.database.begin() as session:
        other = await users.register(session, "boris", None, starting_credits=100)
    await play.submit(play.submission(items=3), play.submission(items=1, model="other"))
    await play.claim(play.ids[0])
    await play.submit(play.submission(items=2, by=Principal(other.id)))
    async with play.database.autocommit() as session:
        found = await service_load.open_work(session, 1)
        # Of six predictions, and the user who is named.
        assert await rows_read(session, service_load._OPEN, 200_000, 1) == 6 + 1
    assert [(one.model, one.queued, one.processing) for one in found.by_version] == [("echo", 4, 1), ("other", 1, 0)]
    assert all(one.oldest_at is not None and one.oldest_wait_s is not None for one in found.by_version)
    assert [(one.user_id, one.username, one.queued, one.processing) for one in found.by_user] == [
        (play.user_id, "anna", 3, 1)
    ]


_FILL_OPEN = """
    INSERT INTO predictions (id, user_id, model, version, source, cost, input)
    SELECT first_id_of(now() - n * interval '1 second'), $1, 'echo', '1', 'api', 1, '{}'
    FROM generate_series(1, 1000) AS n
"""
_END = """
    UPDATE predictions
    SET status = 'failed', attempts = 1, worker_id = 'w', finished_at = now(), error_code = 'model_error'
"""


class _Undone(Exception):
    """What the test has changed is not to be kept: nobody has paid for it."""


async def test_a_submission_reads_nothing_of_what_has_ended(play: Play) -> None:
    """By a plan that was made without statistics, too, for which one index looked as good as another."""
    by, other = await play.principal(), uuid4()
    with pytest.raises(_Undone):
        async with play.database.begin() as session:
            await session.execute("INSERT INTO users (id, username, username_key) VALUES ($1, 'boris', 'boris')", other)
            await session.execute(_FILL_OPEN, other)
            for _ in range(8):  # after five executions the plan is a general one
                await submissions.submit(session, [play.submission(by=by)])
            await session.execute("UPDATE predictions SET user_id = $1", play.user_id)
            await session.execute(_END)
            before = await session.fetchval(_FETCHED)
            [outcome] = await submissions.submit(session, [play.submission(by=by)])
            assert outcome.decision is Decision.ACCEPTED
            assert await session.fetchval(_FETCHED) - before < 20
            raise _Undone


_FETCHED = """
    SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables
    WHERE relname LIKE 'predictions%'
"""
LINES = 100_000
_FILL_JOB = """
    INSERT INTO predictions (id, user_id, model, version, status, source, cost, attempts, worker_id, started_at,
        finished_at, error_code, output, input, batch_id)
    SELECT ($3::text || lpad(to_hex(n), 12, '0'))::uuid, $1::uuid, 'echo', '1',
        CASE WHEN n > $4 THEN 'queued' WHEN n % 50000 > 25000 THEN 'failed' ELSE 'succeeded' END, 'api', 1,
        CASE WHEN n > $4 THEN 0 ELSE 1 END, CASE WHEN n <= $4 THEN 'w' END, CASE WHEN n <= $4 THEN now() END,
        CASE WHEN n <= $4 THEN now() END, CASE WHEN n <= $4 AND n % 50000 > 25000 THEN 'model_error' END,
        CASE WHEN n <= $4 AND n % 50000 <= 25000 THEN '{}'::json END, '{}',
        CASE WHEN n BETWEEN 3 AND $4 + 3 THEN $2::uuid END
    FROM generate_series(1, $4::int + 5) AS n
"""
_ADD_JOB = """
    WITH batch AS (
        INSERT INTO batches (id, user_id, source, size, cost, first_id, last_id)
        SELECT $2::uuid, $1::uuid, 'api', $4::int + 1, 1, ($3::text || lpad('3', 12, '0'))::uuid,
            ($3 || lpad(to_hex($4 + 3), 12, '0'))::uuid
    )
    INSERT INTO bulk_jobs (id, user_id, source, model, version, pool, price_credits, status, lines, succeeded, failed,
        started_at)
    SELECT $2, $1, 'api', 'echo', '1', 'default', 1, 'running', $4 + 1, $4 / 2, $4 / 2 - 2, now()
"""


class Counting:
    """A session that counts the rows that its statements read."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.rows = 0.0

    async def fetch(self, sql: str, *arguments: object) -> Any:
        self.rows += await rows_read(self._session, sql, *arguments)
        return await self._session.fetch(sql, *arguments)

    async def fetchrow(self, sql: str, *arguments: object) -> Any:
        rows = await self.fetch(sql, *arguments)
        return rows[0] if rows else None


async def test_a_page_of_a_chat_reads_a_bounded_part_of_a_long_bulk_job(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two singles, 100,000 lines of a job with a few open ones, two singles. A page is one reading here."""
    monkeypatch.setattr(telegram, "LOOKING_S_MAX", -1)
    database = await Database.connect(database_url, name="test", timeout_s=60)
    head, job_id = "00000000-0001-7000-8000-", UUID(int=1)
    async with database.autocommit() as session:
        chat = await telegram.ensure_chat(session, 7, "en", starting_credits=0)
        await session.execute(_FILL_JOB, chat.user_id, job_id, head, LINES)
        await session.execute(_ADD_JOB, chat.user_id, job_id, head, LINES)
        await session.execute("ANALYZE predictions, batches, bulk_jobs, users")
        numbers: dict[str, list[int]] = {}
        for name, statuses in FILTERS.items():
            page = None
            found: list[int] = []
            while page is None or page.older_before is not None:
                counting: Any = Counting(session)
                before = None if page is None else page.older_before
                page = await telegram.history_page(counting, chat, statuses, size=5, before=before)
                assert counting.rows < history.ROWS_READ_MAX + READ_MAX
                found += [one.prediction.id.int - UUID(head + "0" * 12).int for one in page.entries]
                if page.newer_after is not None:
                    counting = Counting(session)
                    await telegram.history_page(counting, chat, statuses, size=5, after=page.newer_after)
                    assert counting.rows < history.ROWS_READ_MAX + READ_MAX
            numbers[name] = found
    await database.close()
    job = LINES + 3
    assert numbers == {
        "all": [LINES + 5, LINES + 4, job, 2, 1],
        "done": [job, 2, 1],
        "open": [LINES + 5, LINES + 4, job],
        "failed": [job],
    }

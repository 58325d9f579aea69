"""Accepting requests: one statement for as many requests as come in the same moment."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from ml_service.domain.credentials import Principal
from ml_service.domain.ids import id_after
from ml_service.domain.submissions import Decision, Outcome, Receiver, Submission
from ml_service.domain.webhooks import RequestWebhook
from ml_service.storage.database import Session

CLOCKS_DIFFER_S_MAX = 3600.0
"""What is open is counted up to ids of this time ahead: the partitions that are made for later, and the default one,
are not searched. Only what a process with a wrong clock has accepted is missing in the count."""

# One statement, which is one commit. The payers' rows are locked in the order of their ids; after waiting for a row
# lock we see its latest version, so the balance is what others have left (PostgreSQL's "Read Committed"). All else is
# seen as it was when the statement began. So a twin of the same key that was committed meanwhile shows only where the
# key is inserted, and the request is submitted again; and the limit of open predictions does not count what came
# meanwhile.
#
# Requests of one user are served in their order, by a running sum of their costs. A request that is refused only for
# standing behind refused ones, or behind twins, is submitted again alone (usecases/group_commit.py).
#
# The statement is read from above: each part is whole, and some have two forms or are left out. Its beginning is by the
# kind of principal: the bot may read neither sessions nor API keys, and begins by chat. Of a simple API key only
# its token is read; where a request has another one, keys are locked and held to their caps (decision 0024). Keys,
# batches and webhooks of requests are inserted only where there are some: each insert costs 50 µs before its first row.
# What all beginnings have at their end: the requests, and what their Idempotency-Keys stood for the first time.
_ASKED = """
            k.prediction_id AS replayed_id, k.batch_id AS replayed_batch_id, k.fingerprint AS replayed_fingerprint
        FROM unnest(
            $1::int[], $2::uuid[], $3::bigint[], $4::text[], $5::bytea[], $6::uuid[], $7::uuid[], $8::int[], $9::text[],
            $10::float8[], $11::uuid[], $19::boolean[], $20::bigint[], $23::bytea[], $24::uuid[]
        ) AS r (
            no, user_id, cost, key, fingerprint, first_id, batch_id, open_max, source, deadline_s, session_id,
            notifies_chats, chat_id, token_hash, key_id
        )
        LEFT JOIN idempotency_keys AS k ON k.user_id = r.user_id AND k.key = r.key
"""
_REQUESTS_BY_SESSION = (
    """
    WITH request AS MATERIALIZED (
        SELECT r.*, NULL::text AS refusal, 0::bigint AS keys_version,
            r.session_id IS NULL OR EXISTS (
                SELECT FROM sessions AS s
                WHERE s.id = r.session_id AND s.user_id = r.user_id AND s.revoked_at IS NULL AND s.expires_at > now()
            ) AS is_signed_in,
"""  # noqa: S608  parts of this file
    + _ASKED
)
_REQUESTS_BY_CHAT = (
    """
    WITH request AS MATERIALIZED (
        SELECT r.*, NULL::text AS refusal, 0::bigint AS keys_version, r.session_id IS NULL AS is_signed_in,
"""
    + _ASKED
)
_REQUESTS_BY_SIMPLE_KEY = (
    """
    WITH request AS MATERIALIZED (
        SELECT r.*, NULL::text AS refusal, t.keys_version,
            CASE
                WHEN r.token_hash IS NOT NULL THEN t.token_hash IS NOT NULL
                ELSE r.session_id IS NULL OR EXISTS (
                    SELECT FROM sessions AS s
                    WHERE s.id = r.session_id AND s.user_id = r.user_id AND s.revoked_at IS NULL
                        AND s.expires_at > now()
                )
            END AS is_signed_in,
"""  # noqa: S608  parts of this file
    + _ASKED
    + """
        LEFT JOIN api_key_tokens AS t ON t.token_hash = r.token_hash AND t.key_id = r.key_id AND t.simple_until > now()
"""
)
_REQUESTS_BY_KEY = (
    """
    WITH request AS MATERIALIZED (
        SELECT r.*,
            CASE
                WHEN r.token_hash IS NOT NULL THEN a.id IS NOT NULL
                ELSE r.session_id IS NULL OR EXISTS (
                    SELECT FROM sessions AS s
                    WHERE s.id = r.session_id AND s.user_id = r.user_id AND s.revoked_at IS NULL
                        AND s.expires_at > now()
                )
            END AS is_signed_in,
            CASE
                WHEN NOT 'predict' = ANY (a.scopes) THEN 'scope_missing'
                WHEN a.models IS NOT NULL AND EXISTS (
                    SELECT FROM unnest($12::int[], $14::text[]) AS i (no, model)
                    WHERE i.no = r.no AND i.model <> ALL (a.models)
                ) THEN 'model_not_allowed'
            END AS refusal,
"""  # noqa: S608  parts of this file
    + _ASKED
    + """
        LEFT JOIN api_key_tokens AS t ON t.token_hash = r.token_hash AND coalesce(t.valid_until > now(), true)
        LEFT JOIN api_keys AS a ON a.id = t.key_id AND a.id = r.key_id AND a.user_id = r.user_id
            AND a.revoked_at IS NULL AND coalesce(a.expires_at > now(), true)
"""
)
_PAYERS = """
    ), payer AS MATERIALIZED (
        SELECT u.id, u.balance, u.is_blocked, 'telegram' = ANY (u.notify) AS prefers_chats, u.has_webhooks,
            u.keys_version,
            (SELECT count(*) FROM (
                SELECT FROM predictions AS p  -- predictions_open, which alone has this order: without statistics
                -- PostgreSQL would as soon read all that the user has ever asked
                WHERE p.user_id = u.id AND p.batch_id IS NULL AND p.finished_at IS NULL AND p.id < $21
                ORDER BY p.batch_id, p.id
                LIMIT (SELECT max(open_max) FROM request)
            ) AS open_singles) AS open_count
        FROM users AS u WHERE u.id = ANY($2) ORDER BY u.id FOR NO KEY UPDATE
"""
_RANKED = """
    ), ranked AS MATERIALIZED (
        SELECT r.*, p.prefers_chats, p.has_webhooks, p.balance, p.open_count, NULL::bigint AS cap_left,
            CASE
                WHEN r.token_hash IS NOT NULL AND r.keys_version <> p.keys_version THEN 'late'
                WHEN p.is_blocked THEN 'blocked'
                WHEN sum(r.cost) OVER earlier > p.balance THEN 'insufficient_credits'
                WHEN r.batch_id IS NULL
                    AND p.open_count + count(*) FILTER (WHERE r.batch_id IS NULL) OVER earlier > r.open_max
                    THEN 'too_many_open'
                ELSE 'accepted'
            END AS decision
        FROM request AS r JOIN payer AS p ON p.id = r.user_id
        WHERE r.is_signed_in AND r.replayed_id IS NULL
        WINDOW earlier AS (PARTITION BY r.user_id ORDER BY r.no)
"""
# A key's row is locked after its user's, as everywhere, and so its windows are what others have left of them. A window
# is a day or a month of UTC, by the time at which the statement began: where a later day is counted already, the
# request is submitted again.
_RANKED_BY_KEY = """
    ), spender AS MATERIALIZED (
        SELECT a.id, a.spent_on > (now() AT TIME ZONE 'UTC')::date AS is_late,
            CASE WHEN a.cap_credits IS NOT NULL THEN greatest(0, a.cap_credits - CASE
                WHEN a.cap_per = 'total' THEN a.spent_total
                WHEN a.cap_per = 'month' AND a.spent_on >= date_trunc('month', now() AT TIME ZONE 'UTC')
                    THEN a.spent_month
                WHEN a.cap_per = 'day' AND a.spent_on = (now() AT TIME ZONE 'UTC')::date THEN a.spent_day
                ELSE 0
            END) END AS cap_left
        FROM api_keys AS a
        WHERE a.id = ANY (ARRAY(SELECT key_id FROM request WHERE is_signed_in)) AND a.revoked_at IS NULL
            AND a.user_id = ANY (ARRAY(SELECT id FROM payer))
        ORDER BY a.id FOR NO KEY UPDATE
    ), ranked AS MATERIALIZED (
        SELECT r.*, p.prefers_chats, p.has_webhooks, p.balance, p.open_count, s.cap_left,
            CASE
                WHEN p.is_blocked THEN 'blocked'
                WHEN r.key_id IS NOT NULL AND s.id IS NULL THEN 'no_session'
                WHEN r.refusal IS NOT NULL THEN r.refusal
                WHEN s.is_late THEN 'late'
                WHEN sum(r.cost) OVER earlier_of_key > s.cap_left THEN 'key_cap_exceeded'
                WHEN sum(r.cost) OVER earlier > p.balance THEN 'insufficient_credits'
                WHEN r.batch_id IS NULL
                    AND p.open_count + count(*) FILTER (WHERE r.batch_id IS NULL) OVER earlier > r.open_max
                    THEN 'too_many_open'
                ELSE 'accepted'
            END AS decision
        FROM request AS r JOIN payer AS p ON p.id = r.user_id LEFT JOIN spender AS s ON s.id = r.key_id
        WHERE r.is_signed_in AND r.replayed_id IS NULL
        WINDOW earlier AS (PARTITION BY r.user_id ORDER BY r.no),
            earlier_of_key AS (PARTITION BY r.key_id ORDER BY r.no)
"""
_IDEMPOTENT = """
    ), keyed AS (
        INSERT INTO idempotency_keys (user_id, key, fingerprint, prediction_id, batch_id)
        SELECT user_id, key, fingerprint, first_id, batch_id FROM ranked
        WHERE decision = 'accepted' AND key IS NOT NULL ORDER BY no
        ON CONFLICT DO NOTHING
        RETURNING prediction_id
    ), decided AS MATERIALIZED (
        SELECT no, user_id, first_id, batch_id, source, deadline_s, cost, notifies_chats, prefers_chats, chat_id,
            has_webhooks, balance, open_count, key_id, cap_left,
            CASE
                WHEN decision = 'accepted' AND key IS NOT NULL AND first_id NOT IN (SELECT prediction_id FROM keyed)
                    THEN 'twin'
                ELSE decision
            END AS decision
        FROM ranked
"""
_NOT_IDEMPOTENT = """
    ), decided AS NOT MATERIALIZED (
        SELECT * FROM ranked
"""
_ACCEPTED = """
    ), accepted AS MATERIALIZED (
        SELECT * FROM decided WHERE decision = 'accepted'
    ), debited AS (
        UPDATE users SET balance = balance - d.amount, grants_left = grants_left - d.amount
        FROM (
            SELECT user_id, sum(cost) AS amount, count(*) FILTER (WHERE batch_id IS NULL) AS singles
            FROM accepted GROUP BY user_id
        ) AS d
        WHERE users.id = d.user_id AND users.id = ANY($2) AND users.balance >= d.amount
        RETURNING users.id, users.balance, d.singles
    ), covered AS MATERIALIZED (
        SELECT a.* FROM accepted AS a JOIN debited AS d ON d.id = a.user_id
    ), item AS MATERIALIZED (
        SELECT i.*, c.user_id, c.batch_id, c.source, c.deadline_s, c.key_id,
            c.has_webhooks OR c.no = ANY ($22::int[]) AS owes_webhooks
        FROM unnest($12::int[], $13::uuid[], $14::text[], $15::text[], $16::text[], $17::bigint[], $18::text[])
            AS i (no, id, model, version, pool, cost, input)
        JOIN covered AS c ON c.no = i.no
    ), inserted AS (
        INSERT INTO predictions (
            id, user_id, model, version, source, cost, batch_id, deadline_at, input, owes_webhooks, key_id
        )
        SELECT id, user_id, model, version, source, cost, batch_id,
            now() + deadline_s * interval '1 second', input::json, owes_webhooks, key_id
        FROM item ORDER BY id
    ), held AS (
        INSERT INTO transactions (user_id, kind, amount, prediction_id, actor_kind, actor_id)
        SELECT user_id, 'hold', cost, id,
            CASE WHEN key_id IS NULL THEN 'user' ELSE 'key' END, coalesce(key_id, user_id)::text
        FROM item ORDER BY id
    ), unsent AS (
        INSERT INTO outbox (prediction_id, user_id, pool, model, version, bulk)
        SELECT id, user_id, pool, model, version, batch_id IS NOT NULL FROM item ORDER BY id
"""
_OWED = """
    ), owed AS (  -- held back for a chat that asks, until it shows "accepted" (storage/chat_deliveries.py)
        INSERT INTO deliveries (kind, subject_id, user_id, is_batch, chat_id, is_from_chat, leased_until)
        SELECT 'chat', coalesce(c.batch_id, c.first_id), c.user_id, c.batch_id IS NOT NULL, t.chat_id,
            c.chat_id IS NOT NULL, CASE WHEN c.chat_id IS NOT NULL THEN now() + interval '30 seconds' END
        FROM (
            SELECT * FROM covered WHERE chat_id IS NOT NULL OR coalesce(notifies_chats, prefers_chats)
        ) AS c
        JOIN telegram_chats AS t ON t.user_id = c.user_id  -- telegram_chats_of_user
        WHERE c.chat_id IS NULL OR t.chat_id = c.chat_id
"""
# Only of keys with a cap, as the locked row has it: what others hold is counted later (`count_keys` in the migrations).
# The rule of windows is that of `count_spent` there.
_SPENT = """
    ), spent AS (
        UPDATE api_keys AS a SET
            spent_total = a.spent_total + c.amount,
            spent_month = CASE
                WHEN a.spent_on < date_trunc('month', c.day::timestamp) THEN c.amount
                WHEN c.day < date_trunc('month', a.spent_on::timestamp) THEN a.spent_month
                ELSE a.spent_month + c.amount
            END,
            spent_day = CASE
                WHEN a.spent_on < c.day THEN c.amount
                WHEN c.day < a.spent_on THEN a.spent_day
                ELSE a.spent_day + c.amount
            END,
            spent_on = greatest(a.spent_on, c.day),
            last_used_at = now()
        FROM (
            SELECT key_id, (now() AT TIME ZONE 'UTC')::date AS day, sum(cost) AS amount
            FROM covered WHERE cap_left IS NOT NULL GROUP BY key_id
        ) AS c
        WHERE a.id = c.key_id
"""
_BATCHES = """
    ), batched AS (
        INSERT INTO batches (id, user_id, source, size, cost, first_id, last_id, deadline_at)
        SELECT batch_id, user_id, source, count(*), sum(cost), (array_agg(id ORDER BY id))[1],
            (array_agg(id ORDER BY id DESC))[1], now() + deadline_s * interval '1 second'
        FROM item WHERE batch_id IS NOT NULL GROUP BY batch_id, user_id, source, deadline_s
"""
_WEBHOOKS = """
    ), named AS (
        INSERT INTO request_webhooks (subject_id, user_id, url, origin, events)
        SELECT coalesce(c.batch_id, c.first_id), c.user_id, w.url, w.origin, string_to_array(w.events, ',')
        FROM unnest($22::int[], $25::text[], $26::text[], $27::text[]) AS w (no, url, origin, events)
        JOIN covered AS c ON c.no = w.no
"""
_OUTCOMES = """
    )
    SELECT
        CASE
            WHEN k.no IS NOT NULL THEN k.decision
            WHEN NOT r.is_signed_in THEN 'no_session'
            WHEN NOT EXISTS (SELECT FROM payer AS p WHERE p.id = r.user_id) THEN 'no_user'
            WHEN r.refusal = 'scope_missing' THEN r.refusal
            ELSE 'replayed'
        END AS decision,
        coalesce(d.balance, k.balance, (SELECT p.balance FROM payer AS p WHERE p.id = r.user_id), 0) AS balance,
        now() AS created_at,
        coalesce(k.open_count, 0) + coalesce(d.singles, 0) AS open_count,
        r.replayed_id, r.replayed_batch_id, r.replayed_fingerprint,
        CASE WHEN k.cap_left IS NOT NULL THEN
            (k.cap_left - coalesce((SELECT sum(c.cost) FROM covered AS c WHERE c.key_id = r.key_id), 0))::bigint
        END AS cap_left  -- as in Outcome
    FROM request AS r
    LEFT JOIN decided AS k ON k.no = r.no
    LEFT JOIN debited AS d ON d.id = r.user_id
    ORDER BY r.no
"""


@cache
def _statement(*, by: str, has_idempotency_keys: bool, has_batches: bool, has_webhooks: bool) -> str:
    beginnings = {
        "session": _REQUESTS_BY_SESSION,
        "chat": _REQUESTS_BY_CHAT,
        "simple key": _REQUESTS_BY_SIMPLE_KEY,
        "key": _REQUESTS_BY_KEY,
    }
    return (
        beginnings[by]
        + _PAYERS
        + (_RANKED_BY_KEY if by == "key" else _RANKED)
        + (_IDEMPOTENT if has_idempotency_keys else _NOT_IDEMPOTENT)
        + _ACCEPTED
        + _OWED
        + (_SPENT if by == "key" else "")
        + (_BATCHES if has_batches else "")
        + (_WEBHOOKS if has_webhooks else "")
        + _OUTCOMES
    )


async def submit(session: Session, submissions: Sequence[Submission]) -> list[Outcome]:
    """Accept or refuse each submission: key, debit, hold, rows and outbox in one statement.

    Args:
        session: Nothing is accepted before it commits.
        submissions: In the order in which they are served.

    Returns:
        One for each. ``late`` by a simple key: submit it again with ``has_simple_key`` false, to be accepted or to
        learn why not.
    """
    items = [(no, item) for no, submission in enumerate(submissions) for item in submission.items]
    principals = [submission.principal for submission in submissions]
    batch_ids = [submission.batch_id for submission in submissions]
    webhooks = [(no, submission.webhook) for no, submission in enumerate(submissions) if submission.webhook is not None]
    keys = [submission.key for submission in submissions]
    by = _kind_of(principals)
    rows = await session.fetch(
        _statement(by=by, has_idempotency_keys=any(keys), has_batches=any(batch_ids), has_webhooks=bool(webhooks)),
        list(range(len(submissions))),
        [principal.user_id for principal in principals],
        [submission.cost for submission in submissions],
        keys,
        [submission.fingerprint for submission in submissions],
        [submission.items[0].id for submission in submissions],
        batch_ids,
        [submission.open_max for submission in submissions],
        [submission.source for submission in submissions],
        [submission.deadline_s for submission in submissions],
        [principal.session_id for principal in principals],
        [no for no, _ in items],
        [item.id for _, item in items],
        [item.model for _, item in items],
        [item.version for _, item in items],
        [item.pool for _, item in items],
        [item.cost for _, item in items],
        [item.input for _, item in items],
        [None if submission.notify is None else Receiver.TELEGRAM in submission.notify for submission in submissions],
        [submission.chat_id for submission in submissions],
        id_after(CLOCKS_DIFFER_S_MAX),
        [no for no, _ in webhooks],
        [principal.token_hash for principal in principals],
        [principal.key_id for principal in principals],
        *_columns_of([webhook for _, webhook in webhooks]),
    )
    outcomes = [Outcome(Decision(row["decision"]), *row[1:]) for row in rows]
    if by == "simple key":
        return [*map(_of_simple_key, principals, outcomes)]
    return outcomes


def _kind_of(principals: Sequence[Principal]) -> str:
    """By which beginning of the statement all of these are looked up."""
    by_key = [principal for principal in principals if principal.token_hash is not None]
    if by_key:
        return "simple key" if all(principal.has_simple_key for principal in by_key) else "key"
    return "session" if any(principal.session_id is not None for principal in principals) else "chat"


def _of_simple_key(principal: Principal, outcome: Outcome) -> Outcome:
    """What is accepted by a simple key is accepted; why it is not, is for the look at the key itself to say."""
    if principal.token_hash is None or outcome.decision is Decision.ACCEPTED:
        return outcome
    return Outcome(Decision.LATE, outcome.balance, outcome.created_at)


def _columns_of(webhooks: Sequence[RequestWebhook]) -> tuple[list[str], ...]:
    """The additional arguments of the statement with webhooks; none for the one without."""
    if not webhooks:
        return ()
    return [one.url for one in webhooks], [one.origin for one in webhooks], [",".join(one.events) for one in webhooks]

"""The models that workers have announced, by name and version. The app prices, validates and documents from here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ml_service.domain.models import ListedModel, ModelSpec, full_name
from ml_service.storage.database import Session

MOVED_S = 3.0
"""After so long every app has noticed that a version has moved to another pool."""

# The schemas of a version never change: predictions were validated by them. Limits, price and description may. The
# first version of a name becomes its default. A version that was forgotten begins again, and as parked: predictions of
# it may wait, and workers have dropped its messages. While some wait, its schemas still hold. One that has moved to
# another pool is parked, too, so that what waits in the old pool's queue is sent to the new one: from a moment on at
# which every app knows the new pool, or what apps accept until then would stay in the old one.
_ANNOUNCE = """
    WITH announced AS (
        INSERT INTO model_versions AS v (name, version, spec, parked_at)
        SELECT a.name, a.version, a.spec::json, now()
        FROM unnest($1::text[], $2::text[], $3::text[]) AS a (name, version, spec)
        ORDER BY a.name, a.version
        ON CONFLICT (name, version) DO UPDATE SET
            spec = excluded.spec, forgotten_at = NULL,
            announced_at = CASE WHEN v.forgotten_at IS NULL THEN v.announced_at ELSE now() END,
            served_at = CASE WHEN v.forgotten_at IS NULL THEN v.served_at ELSE now() END,
            parked_at = CASE
                WHEN v.forgotten_at IS NULL
                    AND coalesce(v.spec ->> 'pool', 'default') = coalesce(excluded.spec ->> 'pool', 'default')
                    THEN v.parked_at
                WHEN v.forgotten_at IS NULL THEN now() + $4 * interval '1 second'
                ELSE now()
            END
        WHERE (v.spec -> 'input_schema')::jsonb = (excluded.spec -> 'input_schema')::jsonb
            AND (v.spec -> 'output_schema')::jsonb = (excluded.spec -> 'output_schema')::jsonb
            OR v.forgotten_at IS NOT NULL AND NOT EXISTS (
                SELECT FROM predictions AS p  -- predictions_open
                WHERE p.finished_at IS NULL AND p.model = v.name AND p.version = v.version
            ) AND NOT EXISTS (
                SELECT FROM bulk_jobs AS b  -- bulk_jobs_open
                WHERE b.finished_at IS NULL AND b.model = v.name AND b.version = v.version
            )
        RETURNING name, version
    ), named AS (
        INSERT INTO models (name, default_version)
        SELECT DISTINCT ON (name) name, version FROM announced ORDER BY name, version
        ON CONFLICT (name) DO NOTHING
    )
    SELECT name, version FROM announced
"""


async def announce(session: Session, specs: Sequence[ModelSpec], moved_s: float = MOVED_S) -> list[ModelSpec]:
    """Publish what a worker serves; returns the specs that were refused.

    A spec is refused if its version was announced before with other schemas, unless that version was forgotten and
    nothing waits for it. An admin's price stays.
    """
    rows = await session.fetch(
        _ANNOUNCE,
        [spec.name for spec in specs],
        [spec.version for spec in specs],
        [msgspec.json.encode(spec).decode() for spec in specs],
        moved_s,
    )
    announced = {(row["name"], row["version"]) for row in rows}
    return [spec for spec in specs if (spec.name, spec.version) not in announced]


_OF_EMPTY_POOLS = """
    SELECT a.place FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS a (name, version, pool, place)
    JOIN model_versions AS v ON v.name = a.name AND v.version = a.version AND v.forgotten_at IS NULL
    WHERE coalesce(v.spec ->> 'pool', 'default') <> a.pool AND NOT EXISTS (
        SELECT FROM workers AS w
        WHERE w.lease_until > now() AND a.name || '@' || a.version = ANY (w.models)
            AND coalesce(v.spec ->> 'pool', 'default') = ANY (w.pools)
    )
"""


async def of_empty_pools(session: Session, served: Sequence[ModelSpec]) -> list[ModelSpec]:
    """Those of these specs whose version was announced last for another pool, of which no live worker serves it."""
    columns = zip(*((one.name, one.version, one.pool) for one in served), strict=True)
    return [served[row["place"] - 1] for row in await session.fetch(_OF_EMPTY_POOLS, *columns)] if served else []


_LIST = """
    SELECT v.name, v.version, hashtextextended(v.spec::text, 0) AS mark, m.price_credits_set, v.announced_at,
        v.version = m.default_version AS is_default, m.is_enabled
    FROM models AS m JOIN model_versions AS v ON v.name = m.name AND v.forgotten_at IS NULL
    ORDER BY m.name, is_default DESC, v.announced_at DESC
"""
_SPECS = """
    SELECT v.spec::text FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (name, version, place)
    JOIN model_versions AS v ON v.name = asked.name AND v.version = asked.version
    ORDER BY asked.place
"""
_SERVED = """
    SELECT model, count(*) FROM workers AS w CROSS JOIN LATERAL unnest(w.models) AS model
    WHERE w.lease_until > now() GROUP BY model
"""
KnownSpecs = dict[tuple[str, str, int], ModelSpec]
"""Specs that were read before: by name, version, and a hash of what is stored."""


async def list_all(session: Session, known: KnownSpecs | None = None) -> list[ListedModel]:
    """Every version of every model: by name, the default version first, then the newest.

    Each has the price in force and the number of ready workers.

    Args:
        known: What an earlier call has left in it is not read again, as schemas may be large; the same objects come.
    """
    known = {} if known is None else known
    rows = {tuple(row)[:3]: row for row in await session.fetch(_LIST)}
    if unknown := [key for key in rows if key not in known]:
        names, versions, _ = zip(*unknown, strict=True)
        found = await session.fetch(_SPECS, names, versions)
        # One that was announced again meanwhile is kept under the hash that it had, so the next call reads it again.
        known |= zip(unknown, (msgspec.json.decode(row["spec"], type=ModelSpec) for row in found), strict=True)
    for key in known.keys() - rows.keys():
        del known[key]
    served: dict[str, int] = {row[0]: row[1] for row in await session.fetch(_SERVED)}
    return [_listed(known[key], row, served.get(known[key].full_name, 0)) for key, row in rows.items()]


def _listed(spec: ModelSpec, row: Any, workers: int) -> ListedModel:
    return ListedModel(
        spec,
        spec.price_credits if row["price_credits_set"] is None else row["price_credits_set"],
        is_live=workers > 0,
        workers=workers,
        announced_at=row["announced_at"],
        is_default=row["is_default"],
        is_enabled=row["is_enabled"],
    )


async def enabled_names(session: Session) -> set[str]:
    """The models that are not switched off."""
    return {row["name"] for row in await session.fetch("SELECT name FROM models WHERE is_enabled")}


async def pools(session: Session) -> list[str]:
    """The pools that models belong to."""
    rows = await session.fetch(
        "SELECT DISTINCT coalesce(spec ->> 'pool', 'default') AS pool FROM model_versions ORDER BY pool"
    )
    return [row["pool"] for row in rows]


@dataclass(frozen=True, slots=True)
class Choices:
    """What an admin may choose for a model.

    Attributes:
        price_credits: None: ``own_price_credits``, the price that the default version announces.
    """

    default_version: str
    price_credits: int | None
    is_enabled: bool
    own_price_credits: int | None


async def choices(session: Session, name: str) -> Choices | None:
    """What is chosen for a model; its row stays locked until the commit. None: there is no such model."""
    row = await session.fetchrow(
        """
        SELECT m.default_version, m.price_credits_set, m.is_enabled, (
            SELECT (v.spec ->> 'price_credits')::bigint FROM model_versions AS v
            WHERE v.name = m.name AND v.version = m.default_version
        )
        FROM models AS m WHERE m.name = $1 FOR NO KEY UPDATE OF m
        """,
        name,
    )
    return None if row is None else Choices(*row)


async def set_enabled(session: Session, name: str, *, is_enabled: bool) -> None:
    """Switch a model off, so that nothing is accepted for it, or on again."""
    await session.execute("UPDATE models SET is_enabled = $2 WHERE name = $1", name, is_enabled)


async def promote(session: Session, name: str, version: str) -> bool:
    """Make an announced version the default one; returns whether there is such a version."""
    tag = await session.execute(
        """
        UPDATE models AS m SET
            default_version = $2,
            previous_version = CASE
                WHEN default_version = $2 THEN coalesce(previous_version, $2)
                ELSE default_version
            END
        WHERE name = $1 AND EXISTS (
            SELECT FROM model_versions AS v WHERE v.name = $1 AND v.version = $2 AND v.forgotten_at IS NULL
        )
        """,
        name,
        version,
    )
    return bool(tag == "UPDATE 1")


_REPLACE_UNSERVED = """
    UPDATE models AS m SET default_version = a.version
    FROM unnest($1::text[], $2::text[]) AS a (name, version)
    WHERE m.name = a.name AND m.default_version <> a.version AND m.previous_version IS NULL
        AND EXISTS (
            SELECT FROM model_versions AS v
            WHERE v.name = a.name AND v.version = a.version AND v.forgotten_at IS NULL
        )
        AND NOT EXISTS (
            SELECT FROM workers AS w
            WHERE w.stopped_at IS NULL AND (
                m.name || '@' || m.default_version = ANY (w.models)
                OR w.model_states -> m.name ->> 'version' = m.default_version
            )
        )
    RETURNING m.name || '@' || m.default_version
"""


async def replace_unserved(session: Session, served: Sequence[tuple[str, str]]) -> list[str]:
    """Make these versions the default ones where every worker with the default has stopped and no admin chose one.

    For models that come with a release, whose old version is gone with the old release. What was accepted for the old
    one keeps it. A worker that is silent, or loads the model again, still has it.

    Args:
        served: Names and versions that the caller serves.

    Returns:
        The new default versions, each as name@version.
    """
    rows = await session.fetch(_REPLACE_UNSERVED, [name for name, _ in served], [version for _, version in served])
    return [row[0] for row in rows]


async def is_served(session: Session, name: str, version: str) -> bool:
    """Whether a live worker serves this version."""
    return bool(
        await session.fetchval(
            "SELECT EXISTS (SELECT FROM workers WHERE lease_until > now() AND $1 = ANY (models))",
            full_name(name, version),
        )
    )


async def rollback(session: Session, name: str) -> str | None:
    """Swap the default version with the one before it; returns the new default, None if there is none before."""
    version: str | None = await session.fetchval(
        """
        UPDATE models AS m SET default_version = previous_version, previous_version = default_version
        WHERE name = $1 AND EXISTS (
            SELECT FROM model_versions AS v
            WHERE v.name = m.name AND v.version = m.previous_version AND v.forgotten_at IS NULL
                AND m.previous_version <> m.default_version
        )
        RETURNING default_version
        """,
        name,
    )
    return version


# The name goes with its last version; else one of the remaining ones takes the place of a forgotten default: the newest
# that a worker serves, if there is any.
_FORGET = """
    WITH unserved AS (
        SELECT v.name, v.version FROM model_versions AS v
        WHERE v.name = $1 AND ($2::text IS NULL OR v.version = $2) AND v.forgotten_at IS NULL AND NOT EXISTS (
            SELECT FROM workers AS w
            WHERE w.lease_until > now() AND v.name || '@' || v.version = ANY (w.models)
        )
    ), kept AS (
        SELECT v.version, v.announced_at, EXISTS (
            SELECT FROM workers AS w
            WHERE w.lease_until > now() AND v.name || '@' || v.version = ANY (w.models)
        ) AS is_served
        FROM model_versions AS v
        WHERE v.name = $1 AND v.forgotten_at IS NULL AND v.version NOT IN (SELECT version FROM unserved)
    ), unnamed AS (
        DELETE FROM models WHERE name = $1 AND NOT EXISTS (SELECT FROM kept)
    ), moved AS (
        UPDATE models
        SET default_version = (SELECT version FROM kept ORDER BY is_served DESC, announced_at DESC LIMIT 1)
        WHERE name = $1 AND EXISTS (SELECT FROM kept) AND default_version IN (SELECT version FROM unserved)
    )
    UPDATE model_versions AS v SET forgotten_at = now() FROM unserved AS u
    WHERE v.name = u.name AND v.version = u.version
"""


async def forget(session: Session, name: str, version: str | None = None) -> int:
    """Forget the version, or without one all versions, that no ready worker serves; returns how many."""
    tag = await session.execute(_FORGET, name, version)
    return int(tag.rpartition(" ")[2])


async def set_price(session: Session, name: str, price_credits: int | None) -> bool:
    """Set an admin's price, or with None go back to the model's own; returns whether there is such a model."""
    tag = await session.execute("UPDATE models SET price_credits_set = $2 WHERE name = $1", name, price_credits)
    return bool(tag == "UPDATE 1")

"""The models that workers have announced. The app prices, validates and documents from this table alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ml_service.domain.models import ListedModel, ModelSpec
from ml_service.storage.database import Session

_ANNOUNCE = """
    INSERT INTO models AS m (name, version, spec, price_credits)
    SELECT a.name, a.version, a.spec::json, a.price
    FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS a (name, version, spec, price)
    ORDER BY a.name
    ON CONFLICT (name) DO UPDATE SET
        version = excluded.version, spec = excluded.spec, price_credits = excluded.price_credits, announced_at = now()
    WHERE (m.version, m.spec::text, m.price_credits) IS DISTINCT FROM
        (excluded.version, excluded.spec::text, excluded.price_credits)
"""


async def announce(session: Session, specs: Sequence[ModelSpec]) -> None:
    """Tell everybody what a worker serves; an admin's price stays."""
    await session.execute(
        _ANNOUNCE,
        [spec.name for spec in specs],
        [spec.version for spec in specs],
        [msgspec.json.encode(spec).decode() for spec in specs],
        [spec.price_credits for spec in specs],
    )


_LIST = """
    SELECT m.spec::text, coalesce(m.price_credits_set, m.price_credits) AS price, m.announced_at,
        (SELECT count(*) FROM workers AS w
         WHERE w.state = 'ready' AND w.lease_until > now() AND m.name = ANY (w.models)) AS workers
    FROM models AS m ORDER BY m.name
"""


def _listed(row: Any) -> ListedModel:
    spec = msgspec.json.decode(row["spec"], type=ModelSpec)
    return ListedModel(spec, row["price"], row["workers"] > 0, row["workers"], row["announced_at"])


async def list_all(session: Session) -> list[ListedModel]:
    """Every model ever announced, by name, with the price in force and the number of ready workers."""
    return [_listed(row) for row in await session.fetch(_LIST)]


async def pools(session: Session) -> list[str]:
    """The pools that models belong to."""
    rows = await session.fetch("SELECT DISTINCT coalesce(spec ->> 'pool', 'default') AS pool FROM models ORDER BY pool")
    return [row["pool"] for row in rows]


async def forget(session: Session, name: str) -> bool:
    """Forget a model that no ready worker serves; returns whether it was there and is gone."""
    tag = await session.execute(
        """
        DELETE FROM models AS m WHERE m.name = $1 AND NOT EXISTS (
            SELECT FROM workers AS w WHERE w.state = 'ready' AND w.lease_until > now() AND m.name = ANY (w.models)
        )
        """,
        name,
    )
    return bool(tag == "DELETE 1")


async def set_price(session: Session, name: str, price_credits: int | None) -> bool:
    """Set an admin's price, or with None go back to the model's own; returns whether there is such a model."""
    tag = await session.execute("UPDATE models SET price_credits_set = $2 WHERE name = $1", name, price_credits)
    return bool(tag == "UPDATE 1")

"""What the files of the migrations say of a schema, for those who have no database at hand."""

from __future__ import annotations

import re
from pathlib import Path

VERSIONS = Path(__file__).parent.parent / "storage" / "migrations" / "versions"
_REQUIRED = ("alembic_version", "users", "transactions")
"""Tables whose rows are in every whole backup of this service."""
_ROWS = re.compile(r"^\d+; .* TABLE DATA public (\w+) ", re.MULTILINE)
_REVISION = re.compile(r"^COPY public\.alembic_version .*\n(\w+)$", re.MULTILINE)
_MADE = re.compile(r"^\s*CREATE (?:OR REPLACE )?(VIEW|TABLE|SEQUENCE|FUNCTION|TYPE) (\w+)", re.MULTILINE)
_ORDER = ("VIEW", "TABLE", "SEQUENCE", "FUNCTION", "TYPE")


def revisions() -> list[str]:
    """All revisions, the oldest first: versions are numbered, and the file of each begins with its number."""
    return sorted(path.stem.partition("_")[0] for path in VERSIONS.glob("[0-9]*.py"))


def revision_of_backup(listed: str, read: str) -> str:
    """The revision of a backup's schema.

    Args:
        listed: What `pg_restore --list` prints of it.
        read: What `pg_restore --data-only --table=alembic_version --file=-` prints.

    Raises:
        ValueError: It is no whole backup of this service, or one of a version that this code does not know; in words.
    """
    rows = set(_ROWS.findall(listed))
    if missing := [name for name in _REQUIRED if name not in rows]:
        raise ValueError(f"it is no whole backup of this service, without rows of {' and '.join(missing)}")
    found = _REVISION.search(read)
    if found is None:
        raise ValueError("it is no whole backup of this service, without a version")
    if found[1] not in revisions():
        raise ValueError(
            f"its schema is {found[1]} and this code knows {revisions()[-1]}, so a newer version wrote it;"
            " update the code first"
        )
    return found[1]


def drop_script() -> str:
    """SQL that drops all that a migration has ever made, and nothing else that the database may hold.

    An older backup names only what there was then: what came later would stay, and stand in the way of the migrations.
    """
    made = {("TABLE", "alembic_version")}
    for path in VERSIONS.glob("*.sql"):
        made.update(_MADE.findall(path.read_text(encoding="utf-8")))
    lines = [f"DROP {kind} IF EXISTS public.{name} CASCADE;" for kind, name in sorted(made, key=_rank)]
    return "\n".join(lines) + "\n"


def _rank(one: tuple[str, str]) -> tuple[int, str]:
    return _ORDER.index(one[0]), one[1]

"""Roles: what people who run the service may do. Each may do what the ones before it may."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """The role of a user; most have none."""

    VIEWER = "viewer"
    """Look at everything of everybody, and change nothing."""
    SUPPORT = "support"
    """Also help people: give credits within a limit, cancel predictions, send again what did not arrive."""
    ADMIN = "admin"
    """Everything, roles, blocks and prices too."""

    def covers(self, needed: Role) -> bool:
        """Whether somebody with this role may do what ``needed`` is enough for."""
        return _RANKS[self] >= _RANKS[needed]


_RANKS = {role: rank for rank, role in enumerate(Role)}

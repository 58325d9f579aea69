"""Bounds that the command line and the supervisor share; imported before anything is installed."""

from __future__ import annotations

WORKERS_DEFAULT = 3
WORKERS_MAX = 48
"""Each has some eight connections to PostgreSQL, which takes 500."""
PORT_MAX = 65_535

"""Fixtures that every folder may use: private servers, each in a room of its own."""

from __future__ import annotations

pytest_plugins = ["tests.nodes.fixtures"]

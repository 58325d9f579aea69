"""Alembic's entry: runs the versions on the connection that `migrate()` hands over, and only so."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()

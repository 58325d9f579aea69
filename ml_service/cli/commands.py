"""Collects the commands of this folder."""

from __future__ import annotations

import typer

from ml_service.cli import admin, backups, books, bulk, dead, keys, models, retention, secrets, system, webhooks

app = typer.Typer(
    name="ml-service",
    help="Run, repair and audit an ML Service. Reads the same settings as the services.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
system.add_to(app)
books.add_to(app)
backups.add_to(app)
retention.add_to(app)
app.add_typer(admin.app, name="admin")
app.add_typer(bulk.app, name="bulk")
app.add_typer(dead.app, name="dead")
app.add_typer(keys.app, name="keys")
app.add_typer(models.app, name="models")
app.add_typer(secrets.app, name="secrets")
app.add_typer(webhooks.app, name="webhooks")

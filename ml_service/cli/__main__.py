"""Collects the commands of this folder."""

from __future__ import annotations

import typer

from ml_service.cli import admin, backups, books, dead, models, secrets, system

app = typer.Typer(
    name="ml-service",
    help="Run, repair and audit an ML Service. Reads the same settings as the services.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
system.add_to(app)
books.add_to(app)
backups.add_to(app)
app.add_typer(admin.app, name="admin")
app.add_typer(dead.app, name="dead")
app.add_typer(models.app, name="models")
app.add_typer(secrets.app, name="secrets")


def main() -> None:
    """Run the command line."""
    app(prog_name="ml-service")


if __name__ == "__main__":
    main()

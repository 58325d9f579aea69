"""`python -m ml_service.cli.parsing …`: read a command line as `ml-service` does, and do nothing.

For start.py, which asks before it says that the command needs a running system.
"""

from __future__ import annotations

import sys
from typing import Any

import typer

READ = 100
"""The exit code where the command line is right: help texts end with 0, and what is wrong with 2."""


def main() -> None:
    """Exit with `READ`, or as the command would end that reads these arguments."""
    from ml_service.cli.commands import app  # noqa: PLC0415 - it takes a while

    command = typer.main.get_command(app)
    _disarm(command)
    command.main(prog_name="ml-service")


def _disarm(command: Any) -> None:
    for one in getattr(command, "commands", {}).values():
        _disarm(one)
    if not hasattr(command, "commands"):
        command.callback = _end


def _end(**_: object) -> None:
    sys.exit(READ)


if __name__ == "__main__":
    main()

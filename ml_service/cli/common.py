"""What every command needs: settings, a database, a queue, and errors as one sentence."""

from __future__ import annotations

import asyncio
import errno
import functools
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, ParamSpec
from uuid import UUID

import asyncpg
import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from ml_service.domain.errors import InvalidInput, NotFound, ServiceError
from ml_service.domain.users import User
from ml_service.messaging.queue import Queue
from ml_service.platform import numbers
from ml_service.platform.settings.common import CommonSettings
from ml_service.platform.settings.reading import read_settings
from ml_service.platform.terminal import escape
from ml_service.storage.database import Database, Session
from ml_service.usecases import users
from ml_service.wiring import open_database, open_queue

Arguments = ParamSpec("Arguments")
Reason = Annotated[str, typer.Option(help="Why; kept in the log of actions.")]
OptionalReason = Annotated[str | None, typer.Option(help="Why; kept in the log of actions.")]

# A table that a program reads, or that goes to a file, is as wide as it needs to be: a folded id is found by no `grep`.
_WIDTH = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 1000


class PlainConsole(Console):
    """Prints the texts of others as they are: a bracket is a bracket, and no text commands the terminal."""

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False, width=width)

    def render_str(self, text: str, **options: Any) -> Text:
        """What rich makes of every text, also of a table's cell."""
        return super().render_str(escape(text, keep="\n"), **options)


out = PlainConsole(width=_WIDTH)
err = PlainConsole(stderr=True)

NAME = "ml-service cli"
LONG_S = 3600.0
"""Seconds that a command of an operator may take, as an audit of a large ledger does."""


def new_table(*names: str) -> Table:
    """An empty table with these columns; where the terminal is narrow, the ids stay whole."""
    return Table(*(Column(name, no_wrap=name == "id") for name in names))


def counted(number: int, noun: str) -> str:
    """As in "1 file" and "2 files"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def size_of(count: int) -> str:
    """A number of bytes in the unit that shows it, as in "812 bytes", "3.2 KiB" and "118.4 MiB"."""
    if count < 2**10:
        return counted(count, "byte")
    return f"{count / 2**10:,.1f} KiB" if count < 2**20 else f"{count / 2**20:,.1f} MiB"


def whole(least: int | None = None, most: int | None = None) -> dict[str, Any]:
    """What makes an option or an argument a whole number within bounds, by our rule instead of Python's."""
    return {"min": least, "max": most, "parser": _number_parser(int, least, most)}


def decimal(least: int, most: int) -> dict[str, Any]:
    """The same for a number that may have a fraction."""
    return {"min": least, "max": most, "parser": _number_parser(float, least, most)}


def one_of(*values: str) -> dict[str, Any]:
    """What makes an option or an argument one of these texts; typer's own message names a Python class of error.

    Of an enumeration's members it becomes the member.
    """

    def parse(given: object) -> str:
        if str(given) not in values:
            raise typer.BadParameter(f"{str(given)[:40]!r} is not one of {', '.join(values)}.")
        return values[values.index(str(given))]

    return {"parser": parse, "metavar": f"[{'|'.join(values)}]"}


def an_id() -> dict[str, Any]:
    """What makes an argument an id, refused in our words."""

    def parse(given: object) -> UUID:
        try:
            return UUID(str(given))
        except ValueError:
            text = f"{str(given)[:40]!r} is not an id: they look like 0190c3a1-7b2e-7d4f-8a6b-5c4d3e2f1a0b."
            raise typer.BadParameter(text) from None

    return {"parser": parse, "metavar": "ID"}


def _number_parser(kind: type[int | float], least: int | None, most: int | None) -> Callable[[object], float]:
    def parse(given: object) -> float:
        text = str(given)
        if wrong := numbers.what_is_wrong(text, kind):
            raise typer.BadParameter(f"{text[:40]!r} {wrong}.")
        number = kind(text)
        if (least is not None and number < least) or (most is not None and number > most):
            raise typer.BadParameter(f"{text[:40]!r} must be from {least} to {most}.")
        return number

    return parse


def command(function: Callable[Arguments, Coroutine[Any, Any, None]]) -> Callable[Arguments, None]:
    """Run a coroutine as a command; a ServiceError becomes one sentence behind its code, and exit code 1."""
    return _command(function, lambda error: f"{error.code}: {error.message}")


def command_without_codes(function: Callable[Arguments, Coroutine[Any, Any, None]]) -> Callable[Arguments, None]:
    """The same without the code, which is the API's: for a command whose errors are a model's, and no request's."""
    return _command(function, lambda error: error.message)


def _command(
    function: Callable[Arguments, Coroutine[Any, Any, None]], said: Callable[[ServiceError], str]
) -> Callable[Arguments, None]:
    @functools.wraps(function)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            asyncio.run(function(*args, **kwargs))
        except OSError as error:
            if error.filename is None and error.errno in {errno.EPIPE, errno.ENOSPC}:
                raise  # what was printed went nowhere
            err.print(f"{error.filename or 'The system'}: {error.strerror or error}")
            raise typer.Exit(1) from None
        except ServiceError as error:
            reason = f" ({error.__cause__})" if error.__cause__ else ""
            err.print(f"{said(error)}{reason}")
            raise typer.Exit(1) from None
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
            err.print(f"The database has no schema of this version: run `ml-service migrate` ({error}).")
            raise typer.Exit(1) from None
        except asyncpg.UndefinedObjectError as error:  # an option that the client passes on, and no server knows
            err.print(f"The database refuses an option of DATABASE_URL: {error}.")
            raise typer.Exit(1) from None
        except asyncpg.InsufficientPrivilegeError as error:
            err.print(f"The role in DATABASE_URL may not do this: {error}.")
            raise typer.Exit(1) from None

    return run


def read_text(file: Path) -> str:
    """A file of text; raises InvalidInput where it is none, and OSError."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput(f"{file} is not UTF-8 text.") from None


@asynccontextmanager
async def database_of(settings: CommonSettings, timeout_s: float = LONG_S) -> AsyncIterator[Database]:
    """The database that the settings name, closed at the end; each step of work with it takes ``timeout_s`` at most."""
    async with AsyncExitStack() as stack:
        yield await open_database(settings, stack, NAME, connections_max=2, timeout_s=timeout_s)


@asynccontextmanager
async def queue_of(settings: CommonSettings) -> AsyncIterator[Queue]:
    """The queue that the settings name, closed at the end."""
    async with AsyncExitStack() as stack:
        yield await open_queue(settings, stack, NAME)


@asynccontextmanager
async def begin() -> AsyncIterator[Session]:
    """A session in a transaction of the database that the settings name."""
    async with database_of(read_settings(CommonSettings)) as database, database.begin() as session:
        yield session


async def user_named(session: Session, username: str) -> User:
    """The user of this name; raises NotFound."""
    user = await users.get_by_name(session, username)
    if user is None:
        raise NotFound(f"There is no user named {username!r}.")
    return user

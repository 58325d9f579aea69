"""`backup` and `restore` by the database server's own programs, in its container."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.common.errors import EngineError
from engine.common.output import say
from engine.common.state import CALLER_FOLDER
from engine.docker import compose
from engine.docker.containers import Container
from ml_service.platform import migration_files

_ANSWER_S = 60
"""For a Python that starts in a container."""
_DATABASE_HOST = """
from urllib.parse import urlsplit
from ml_service.platform.settings.common import CommonSettings
from ml_service.platform.settings.reading import read_settings
print("host:", urlsplit(read_settings(CommonSettings).database_url).hostname)
"""


def server_of(app: Container, there: Sequence[Container]) -> Container:
    """The container of the database that the app uses.

    Raises:
        EngineError: it uses another one, or the container does not run.
    """
    answer = compose.output(["docker", "exec", app.id, "python", "-c", _DATABASE_HOST], _ANSWER_S)
    found = re.search(r"^host: (\S+)$", answer.out, re.MULTILINE)
    if answer.code != 0 or found is None:
        raise EngineError(f"The app does not say which database it uses: {answer.said}")
    host = found[1]
    if host != "postgres":
        raise EngineError(f"DATABASE_URL names a database on {host}: back it up and restore it where it runs.")
    server = next((one for one in there if one.service == "postgres"), None)
    if server is None:
        raise EngineError("PostgreSQL does not run. Start it: python3 start.py --start")
    return server


def _file_of(arguments: Sequence[str]) -> Path:
    words = list(arguments[1:])
    end = words.index("--") if "--" in words else len(words)
    files = [*(one for one in words[:end] if not one.startswith("-")), *words[end + 1 :]]
    if len(files) != 1:
        raise EngineError(f"Name one file: start.py --cli {arguments[0]} FILE")
    return CALLER_FOLDER / files[0]


@contextlib.contextmanager
def _in_words(file: Path) -> Iterator[None]:
    """What the disk refuses becomes a sentence."""
    try:
        yield
    except OSError as error:
        raise EngineError(f"{file} cannot be used: {error.strerror}.") from error


def check_restore(server: Container, arguments: Sequence[str]) -> None:
    """Raise EngineError unless `restore FILE --replace` can be done, or what `--check` asks."""
    file = _file_of(arguments)
    with _in_words(file):
        if not file.is_file():
            raise EngineError(f"There is no file {file}.")
        if "--check" not in arguments and "--replace" not in arguments:
            raise EngineError("The database is in use; say --replace to replace what it holds.")
        revision = revision_of(file, ["docker", "exec", "-i", server.id])
    if "--check" in arguments:
        say(f"{file} can be read back: it is a whole backup, of the schema {revision}.")


# As ml_service/cli/backups.py does it; the file comes once for each program, by the standard input.
def revision_of(file: Path, inside: Sequence[str]) -> str:
    """Read a backup to its end by the server's pg_restore, and return the revision of its schema.

    Args:
        inside: What comes before a command line that runs where the server is.

    Raises:
        EngineError: it cannot be read, is no whole backup, or one of a version that this code does not know.
    """
    listed = _dumped(file, inside, "--list")
    _dumped(file, inside, "--file=/dev/null")
    read = _dumped(file, inside, "--data-only", "--table=alembic_version", "--file=-")
    try:
        return migration_files.revision_of_backup(listed, read)
    except ValueError as error:
        raise EngineError(f"{file} cannot be read back: {error}.") from None


def _dumped(file: Path, inside: Sequence[str], *options: str) -> str:
    with file.open("rb") as source:
        done = subprocess.run([*inside, "pg_restore", *options], stdin=source, capture_output=True, check=False)
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["it ended early"]
        raise EngineError(f"The backup cannot be read back, nothing is changed: {lines[0]}")
    return done.stdout.decode(errors="replace")


def back_up(server: Container, arguments: Sequence[str]) -> int:
    """`backup FILE` and `restore FILE --replace` with the server's own pg_dump and pg_restore.

    Raises:
        EngineError: the file is there already, cannot be used, or none is named.
    """
    file = _file_of(arguments)
    with _in_words(file):
        return _dump(server, file) if arguments[0] == "backup" else _restore(server, file)


def _inside(server: Container, *command: str) -> list[str]:
    return ["docker", "exec", "-i", server.id, *command, "--username=postgres", "--dbname=ml_service"]


def _dump(server: Container, file: Path) -> int:
    partial = Path(f"{file}.partial")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # it holds password hashes
    except FileExistsError:
        raise EngineError(
            f"{partial} is there: a backup to {file.name} is under way. If none is, one was killed; delete that file."
        ) from None
    try:
        with os.fdopen(descriptor, "wb") as output:
            if file.exists():  # looked for while nobody else can be about to make it
                raise EngineError(f"{file} exists already; a backup never overwrites one.")
            done = subprocess.run(_inside(server, "pg_dump", "--format=custom"), stdout=output, check=False)
        if done.returncode != 0:
            return done.returncode
        partial.rename(file)
    finally:
        partial.unlink(missing_ok=True)
    say(f"{file}: {file.stat().st_size:,} bytes")
    return 0


# As ml_service/cli/backups.py does it, and for its reasons.
RESTORE = """
set -o pipefail
{
    echo "BEGIN; $1"
    pg_restore --clean --if-exists --no-owner --file=- && echo 'COMMIT;'
} | PGOPTIONS='-c client_min_messages=warning' psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username=postgres \\
    --dbname=ml_service
"""


def _restore(server: Container, file: Path) -> int:
    with file.open("rb") as source:
        command = ["docker", "exec", "-i", server.id, "bash", "-c", RESTORE, "restore", migration_files.drop_script()]
        return subprocess.run(command, stdin=source, stdout=subprocess.DEVNULL, check=False).returncode

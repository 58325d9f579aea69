"""Makes the files of a new PostgreSQL server."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from engine.common.errors import EngineError

_SPECIAL_IN_SHELL = re.compile(r'["$`\\]')
_OPTIONS = ("-N", "-E", "UTF8", "--locale=C.UTF-8", "--auth-local=trust", "--auth-host=reject")


@contextlib.contextmanager
def _callable_by_shell(programs: Path) -> Iterator[Path]:
    """A path of PostgreSQL's programs that initdb can pass to a shell: it quotes with " and escapes nothing.

    initdb follows links to find out where it is, so the installation (40 MB) is copied where its path has a character
    that a shell would interpret.
    """
    if not _SPECIAL_IN_SHELL.search(str(programs)):
        yield programs
        return
    with tempfile.TemporaryDirectory(prefix="ml-service-postgres-", ignore_cleanup_errors=True) as folder:
        if _SPECIAL_IN_SHELL.search(folder):
            raise EngineError(f"Set TMPDIR to a folder without quotes, $, ` or \\: PostgreSQL cannot use {folder}.")
        Path(folder).chmod(0o755)  # the server's user may be another one
        # A wheel keeps the libraries that its programs load in a folder beside the package: `<package>.libs`.
        package = next((path for path in programs.parents if _libraries(path).is_dir()), programs.parent)
        for source in filter(Path.is_dir, (package, _libraries(package))):
            shutil.copytree(source, Path(folder, source.name), symlinks=True)
        yield Path(folder, programs.relative_to(package.parent))


def _libraries(package: Path) -> Path:
    return package.with_name(package.name + ".libs")


def make_data_folder(
    programs: Path,
    data: Path,
    *,
    superuser: str,
    is_durable: bool,
    env: Mapping[str, str],
    change_user: Callable[[], None] | None,
) -> None:
    """Run initdb for the folder ``data``, which does not exist yet.

    Raises:
        EngineError: it failed; the message has what it said.
    """
    try:
        with _callable_by_shell(programs) as usable:
            _run(usable / "initdb", data, [*_OPTIONS, "-U", superuser], env, change_user)
    except OSError as error:
        raise EngineError(f"PostgreSQL's initdb could not run: {error}.") from error
    if is_durable:
        _run(programs / "initdb", data, ["--sync-only"], env, change_user)


def _run(
    initdb: Path,
    data: Path,
    options: list[str],
    env: Mapping[str, str],
    change_user: Callable[[], None] | None,
) -> None:
    done = subprocess.run(
        [os.fspath(initdb), *options, "-D", os.fspath(data)],
        cwd=data.parent,
        env=env,
        preexec_fn=change_user,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise EngineError(f"PostgreSQL's initdb failed:\n{(done.stderr or done.stdout).strip()}")

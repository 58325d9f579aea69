"""What each command does on the native engine (the docker engine's are in engine/docker/commands.py)."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence

from engine.command_line import MODEL_FOLDER_COMMANDS
from engine.common import output
from engine.common.errors import EngineError
from engine.common.state import CALLER_FOLDER, PROJECT, ROOT
from engine.native import control, environment, lifecycle, logs, model_environments, status

_WITHOUT_DATABASE = (
    *(["models", one] for one in MODEL_FOLDER_COMMANDS),
    *(["--help"], ["--version"], ["--show-completion"], ["--install-completion"]),
)

_PARSED = 100
"""`READ` of ml_service/cli/parsing.py."""


def show_logs(options: argparse.Namespace) -> int:
    """Print the last lines of the logs, and follow them if asked."""
    service = options.logs or None
    chosen = logs.choose(PROJECT.logs, service)
    if not chosen:
        names = ", ".join(log.stem for log in logs.choose(PROJECT.logs, None))
        raise EngineError(f"No log of {service!r}. There are: {names}." if names else "There are no logs yet.")
    logs.show(chosen, lines_max=options.tail, level=options.level, follow=options.follow)
    return 0


def _needs_no_database(arguments: Sequence[str]) -> bool:
    return (
        not arguments or "--help" in arguments or any(list(arguments[: len(one)]) == one for one in _WITHOUT_DATABASE)
    )


def cli(arguments: Sequence[str]) -> int:
    """Run the `ml-service` command with the running system's addresses, in the caller's folder.

    Raises:
        EngineError: the native engine does not run, and the command needs it.
    """
    answer = control.ask(PROJECT, {"op": "environment"})
    if answer is not None:
        env = answer["environment"]
    elif _needs_no_database(arguments):
        env = environment.for_service(None, ROOT, os.environ) | {"SETTINGS_FOLDER": str(ROOT)}
    else:
        if (code := _parsed(arguments)) != _PARSED:
            return code
        raise EngineError("It does not run; the command needs its database. Start it: python3 start.py --start")
    env = {"MODEL_ENVIRONMENTS_FOLDER": str(model_environments.folder()), **env, "PYTHONPATH": str(ROOT)}
    # A folder is meant from the project's, and the command runs in the caller's.
    env["MODELS_FOLDER"] = str(ROOT / (env.get("MODELS_FOLDER") or model_environments.models_folder()))
    if names := model_environments.tried(arguments):
        model_environments.ensure(names)
    if list(arguments[:1]) == ["restore"] and "--help" not in arguments and answer is not None:
        return _restore(arguments, env)
    return _run_cli(arguments, env)


def _parsed(arguments: Sequence[str]) -> int:
    """Let the command read its arguments and do nothing: a slip is said before it is told to start the system."""
    env = environment.for_service(None, ROOT, os.environ) | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "ml_service.cli.parsing", *arguments]
    return subprocess.run(command, cwd=CALLER_FOLDER, env=env, check=False).returncode


def _run_cli(arguments: Sequence[str], env: dict[str, str], held: Sequence[int] = ()) -> int:
    """Run it; its exit code. Ctrl-C is the command's own: it cleans up, however long that takes.

    Args:
        held: Descriptors that it keeps open, should this process end before it.
    """
    command = [sys.executable, "-m", "ml_service.cli", *arguments]
    before = signal.signal(signal.SIGINT, lambda *_: None)  # not SIG_IGN, which the command would inherit
    try:
        return subprocess.run(command, cwd=CALLER_FOLDER, env=env, pass_fds=held, check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)


def _restore(arguments: Sequence[str], env: dict[str, str]) -> int:
    """Read a backup back while nothing else works on the database."""
    # Nothing is stopped for a refusal, nor for a file that cannot be read back.
    if "--replace" not in arguments or "--check" in arguments:
        return _run_cli(arguments, env)
    if code := _run_cli(["restore", "--check", *arguments[1:]], env):
        return code
    connection = control.connect(PROJECT)
    if connection is None:
        raise EngineError("The supervisor does not answer: nothing is restored.")
    # The pause ends with the connection. The command has it open too, so that they start when neither is left.
    with contextlib.closing(connection):
        output.tell("  stopping the app, the bot and the workers; they start again when this ends")
        if connection.ask({"op": "pause"}, timeout_s=None) is None:  # its own patience with each of them has an end
            raise EngineError("The supervisor has ended: nothing is restored.")
        code = _run_cli(arguments, env, held=[connection.fileno()])
        output.tell("  starting them again")
        connection.ask({"op": "resume"}, timeout_s=None)
        return code


def run(options: argparse.Namespace) -> int:
    """Run the command that ``options`` name; raises EngineError."""
    actions: list[tuple[object, Callable[[], int]]] = [
        (options.supervise, lambda: lifecycle.supervise_here(options)),
        (options.stop, lifecycle.stop),
        (options.restart, lambda: lifecycle.restart(options)),
        (options.status, lambda: status.show(as_json=options.json)),
        (options.logs is not None, lambda: show_logs(options)),
        (options.cli is not None, lambda: cli(options.cli)),
        (options.start or options.workers, lambda: lifecycle.start(options)),
    ]
    for asked, action in actions:
        if asked:
            return action()
    raise EngineError(output.NOTHING_ASKED)

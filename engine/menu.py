"""start.py without arguments, at a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import questionary

from engine.common.errors import EngineError
from engine.common.limits import PORT_MAX, WORKERS_MAX
from engine.common.output import say
from engine.common.state import PROJECT, lock_holder, read_engine
from engine.docker import commands as docker
from ml_service.platform.numbers import is_whole

_RUNNING = {
    "Status": ["--status"],
    "Change the number of workers": ["--workers"],
    "Logs": ["--logs"],
    "Restart": ["--restart"],
    "Stop": ["--stop"],
    "Quit": [],
}
_STOPPED = {
    "Start": ["--start"],
    "Start on another port": ["--start", "--port"],
    "Logs of the last run": ["--logs"],
    "Check this machine": ["--doctor"],
    "Quit": [],
}
_QUESTIONS = {"--workers": ("How many workers?", WORKERS_MAX), "--port": ("Which port?", PORT_MAX)}


def _is_number(high: int) -> Callable[[str], bool | str]:
    def check(text: str) -> bool | str:
        is_one = is_whole(text) and 1 <= int(text) <= high
        return is_one or f"A number from 1 to {high}"

    return check


def _complete(arguments: list[str]) -> list[str]:
    """Ask for what the command still needs; empty where the person thinks better of it."""
    if arguments[-1] in _QUESTIONS:
        question, high = _QUESTIONS[arguments[-1]]
        number = questionary.text(question, validate=_is_number(high)).ask()
        return [*arguments, number] if number else []
    if arguments[0] in ("--stop", "--restart"):
        return arguments if questionary.confirm("Requests under way are finished first. Go on?").ask() else []
    return arguments


def _title(*, is_running: bool) -> str:
    last = read_engine(PROJECT)
    port = f", port {last['port']}" if is_running and last.get("port") else ""
    return f"ML Service ({'running' + port if is_running else 'not running'})"


def run(act: Callable[[Sequence[str]], int]) -> int:
    """Ask and do, until Quit or Ctrl-C; ``act`` runs a command line."""
    while True:
        is_running = lock_holder(PROJECT) is not None or docker.is_running()
        choices = _RUNNING if is_running else _STOPPED
        chosen = questionary.select(_title(is_running=is_running), list(choices)).ask()
        arguments = choices.get(chosen or "Quit", [])
        if not arguments:
            return 0
        arguments = _complete(list(arguments))
        try:
            if arguments:
                act(arguments)
        except EngineError as error:
            say(str(error))
        except (SystemExit, KeyboardInterrupt):  # argparse has said what is wrong; Ctrl-C leads back to the menu
            say("")

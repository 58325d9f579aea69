"""start.py without arguments, at a terminal."""

from __future__ import annotations

import questionary

from engine import __main__ as command_line
from engine import docker, doctor
from engine.errors import EngineError
from engine.report import say
from engine.state import PROJECT, lock_holder

_CHOICES = {
    "Start": ["--start"],
    "Status": ["--status"],
    "Change the number of workers": ["--start", "--workers"],
    "Logs": ["--logs"],
    "Stop": ["--stop"],
    "What is wrong with this machine?": ["--doctor"],
    "Quit": [],
}


def run() -> int:
    """Ask and do, until Quit or Ctrl-C."""
    while True:
        running = lock_holder(PROJECT) is not None or docker.is_running()
        chosen = questionary.select(f"ML Service ({'running' if running else 'not running'})", list(_CHOICES)).ask()
        arguments = list(_CHOICES.get(chosen or "Quit", []))
        if not arguments:
            return 0
        if arguments[-1] == "--workers":
            number = questionary.text("How many?", default="3").ask()
            if not number:
                continue
            arguments.append(number)
        try:
            if arguments == ["--doctor"]:
                doctor.run()
            else:
                command_line.run(arguments)
        except EngineError as error:
            say(str(error))
        except (SystemExit, KeyboardInterrupt):  # argparse has said what is wrong; Ctrl-C leads back to the menu
            say("")

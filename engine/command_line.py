"""The command line of start.py. Standard library only: `--help` works before anything is installed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from engine.common import pools
from engine.common.limits import PORT_MAX, WORKERS_MAX
from engine.common.output import NOTHING_ASKED
from ml_service.platform.numbers import is_whole

EXAMPLES = """\
examples:
  python3 start.py --start                  start everything and print the addresses
  python3 start.py --start --open           the same, and open the page in a browser
  python3 start.py --start --workers 5      the same with 5 workers; on a running system: scale to 5
  python3 start.py --start --pool gpu=1:whisper,sdxl
                                            beside the others a worker that alone serves these two models
  python3 start.py --status                 what runs, how long, what waits
  python3 start.py --logs worker --follow   the workers' logs, as they grow
  python3 start.py --cli admin --help       the ml-service command on the running system
  python3 start.py --restart                stop, then start as before (after an update, or another setting)
  python3 start.py --stop                   stop; the data stay
"""

SUITES = ("quick", "faults", "compose", "page", "all")
MODEL_TRIALS = ("check", "run", "bench", "card")
"""The commands of `ml-service models` that run a model, and need no running system."""
MODEL_TRIAL_OPTIONS = ("--input", "--requests")
"""Their options that have a value, which is not the model's name."""
MODEL_IMPORTS = ("restart", "declared")
"""Those that import a model on a running system, to see what it declares."""
MODEL_FOLDER_COMMANDS = ("new", "list", "manifest", "declared", *MODEL_TRIALS)
"""Those that work on models' folders; all others change what the database says of a model."""
_START = ("--start", "--restart", "--workers")
ACTIONS_OF = {
    "--workers": ("--start", "--restart", "--systemd"),
    "--pool": (*_START, "--systemd"),
    "--queue": (*_START, "--systemd"),
    "--port": (*_START, "--systemd"),
    "--open": _START,
    "--foreground": _START,
    "--follow": ("--logs",),
    "--tail": ("--logs",),
    "--level": ("--logs",),
    "--json": ("--status",),
}
"""The options that only some actions read, and which those are."""
_ACTIONS = ("start", "stop", "restart", "status", "logs", "test", "doctor", "systemd", "version", "cli", "supervise")
_TAIL_LINES = 40
LEVELS = ("debug", "info", "warning", "error")


def _number(text: str, low: int, high: int) -> int:
    if not is_whole(text) or not low <= int(text) <= high:
        raise argparse.ArgumentTypeError(f"must be a number from {low} to {high}, not {text[:40]!r}")
    return int(text)


def _workers(text: str) -> int:
    return _number(text, 1, WORKERS_MAX)


def _pool(text: str) -> pools.Pool:
    try:
        return pools.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _port(text: str) -> int:
    return _number(text, 1, PORT_MAX)


def _lines(text: str) -> int:
    return _number(text, 0, 1_000_000)


def parser() -> argparse.ArgumentParser:
    """The command line of start.py."""
    made = argparse.ArgumentParser(
        prog="start.py",
        description="Start, stop and look at the ML Service. Without arguments: a menu.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    one = made.add_mutually_exclusive_group()
    one.add_argument("--start", action="store_true", help="start it, or scale what runs; twice is harmless")
    one.add_argument("--stop", action="store_true", help="stop it; the data stay")
    one.add_argument("--restart", action="store_true", help="stop it, then start it as it was started last")
    one.add_argument("--status", action="store_true", help="show each process, the queue and the address")
    one.add_argument(
        "--logs", nargs="?", const="", metavar="SERVICE", help="show logs (app, worker, worker-2, postgres …)"
    )
    one.add_argument(
        "--test", nargs="?", const="quick", choices=SUITES, metavar="SUITE", help=f"run tests: {', '.join(SUITES)}"
    )
    one.add_argument("--doctor", action="store_true", help="check this machine, and say what to do about what is wrong")
    one.add_argument("--systemd", action="store_true", help="print a systemd unit for this folder")
    one.add_argument("--version", action="store_true", help="print the version")
    one.add_argument(
        "--cli", nargs=argparse.REMAINDER, metavar="…", help="run the ml-service command on the running system"
    )
    one.add_argument("--supervise", action="store_true", help=argparse.SUPPRESS)
    made.add_argument("--workers", type=_workers, metavar="N", help="number of workers (3 at first)")
    made.add_argument(
        "--pool",
        type=_pool,
        action="append",
        default=[],
        metavar="NAME=N:MODELS",
        help="N workers that alone serve these models; may be repeated; NAME=0 ends a pool (native engine)",
    )
    made.add_argument("--engine", choices=("docker", "native"), help="what to run on (the last start's, or Docker)")
    made.add_argument("--queue", choices=("rabbitmq", "postgres"), help="what carries the tasks (native engine)")
    made.add_argument("--port", type=_port, metavar="PORT", help="port of the API (80 if it is free, else 8000)")
    made.add_argument("--open", action="store_true", help="with --start: open the page in a browser")
    made.add_argument("--foreground", action="store_true", help="with --start: stay in this terminal (for systemd)")
    made.add_argument("--quiet", "-q", action="store_true", help="print errors only")
    made.add_argument("--follow", "-f", action="store_true", help="with --logs: keep showing new lines")
    made.add_argument("--tail", type=_lines, metavar="N", help="with --logs: the last N lines (40)")
    made.add_argument("--level", choices=LEVELS, help="with --logs: only lines of this level or above")
    made.add_argument("--json", action="store_true", help="with --status: print JSON")
    return made


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The options, and what is none of them. What follows `--cli` goes on as it is, also `--` and negative numbers."""
    own = before_cli(arguments)
    options, rest = parser().parse_known_args(own)
    if len(own) < len(arguments):
        options.cli = list(arguments[len(own) :])
    return options, rest


def read(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """As `parse`, with nothing that would be ignored. What is none of the options is for `--test`.

    Called before anything is installed, and before a running system is asked. Exits with 2 where a word is unknown,
    where an option belongs to another action, and where there are options without an action.
    """
    options, rest = parse(arguments)
    if rest and not options.test:
        parser().error(f"unknown: {' '.join(rest)}")
    given = {f"--{name}" for name in _ACTIONS if getattr(options, name) not in (None, False)}
    if not given and options.workers is not None:
        given = {"--workers"}
    for name, actions in ACTIONS_OF.items():
        if getattr(options, name[2:]) not in (None, False, []) and not given & {name, "--supervise", *actions}:
            parser().error(f"{name} belongs to {' or '.join(actions)}")
    if arguments and not given:
        parser().error(NOTHING_ASKED)
    options.tail = _TAIL_LINES if options.tail is None else options.tail
    return options, rest


def before_cli(arguments: Sequence[str]) -> list[str]:
    """The words that are start.py's own: those up to `--cli`."""
    return list(arguments[: arguments.index("--cli") + 1] if "--cli" in arguments else arguments)

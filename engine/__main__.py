"""`python -m engine`: the command line behind start.py. What a command needs is imported when it runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from engine import choice, docker
from engine.errors import EngineError
from engine.limits import WORKERS_MAX

EXAMPLES = """\
examples:
  python3 start.py --start                  start everything and print the addresses
  python3 start.py --start --workers 5      the same with 5 workers; on a running system: scale to 5
  python3 start.py --status                 what runs, how long, how much waits
  python3 start.py --logs worker --follow   the workers' logs, as they grow
  python3 start.py --cli admin --help       the ml-service command on the running system
  python3 start.py --stop                   stop; the data stay
"""

SUITES = ("quick", "faults", "compose", "page", "all")


def _number(text: str, low: int, high: int) -> int:
    if not text.isdigit() or not low <= int(text) <= high:
        raise argparse.ArgumentTypeError(f"must be a number from {low} to {high}, not {text!r}")
    return int(text)


def _workers(text: str) -> int:
    return _number(text, 1, WORKERS_MAX)


def _port(text: str) -> int:
    return _number(text, 1, 65535)


def parser() -> argparse.ArgumentParser:
    """The command line of start.py."""
    made = argparse.ArgumentParser(
        prog="start.py",
        description="Start, stop and look at the ML Service. Without arguments: a menu.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    one = made.add_mutually_exclusive_group()
    one.add_argument("--start", action="store_true", help="start it, or scale what runs; twice is harmless")
    one.add_argument("--stop", action="store_true", help="stop it; the data stay")
    one.add_argument("--status", action="store_true", help="show each process, the queue and the address")
    one.add_argument(
        "--logs", nargs="?", const="", metavar="SERVICE", help="show logs (app, worker, worker-2, postgres …)"
    )
    one.add_argument(
        "--test", nargs="?", const="quick", choices=SUITES, metavar="SUITE", help=f"run tests: {', '.join(SUITES)}"
    )
    one.add_argument("--doctor", action="store_true", help="say what is wrong with this machine")
    one.add_argument("--systemd", action="store_true", help="print a systemd unit for this folder")
    one.add_argument(
        "--cli", nargs=argparse.REMAINDER, metavar="…", help="run the ml-service command on the running system"
    )
    one.add_argument("--supervise", action="store_true", help=argparse.SUPPRESS)
    made.add_argument("--workers", type=_workers, metavar="N", help="number of workers (3 at first)")
    made.add_argument("--engine", choices=("docker", "native"), help="what to run on (chosen when left out)")
    made.add_argument("--queue", choices=("rabbitmq", "postgres"), help="what carries the tasks (native engine)")
    made.add_argument("--port", type=_port, metavar="PORT", help="port of the API (80 if it can be had, else 8000)")
    made.add_argument("--foreground", action="store_true", help="with --start: stay in this terminal (for systemd)")
    made.add_argument("--follow", "-f", action="store_true", help="with --logs: go on showing")
    made.add_argument("--json", action="store_true", help="with --status: print JSON")
    return made


def run(arguments: Sequence[str]) -> int:
    """Run one command line; its exit code. Raises EngineError."""
    made = parser()
    options, rest = made.parse_known_args(arguments)
    if rest and not options.test:
        made.error(f"unknown: {' '.join(rest)}")
    if not arguments:
        if sys.stdin.isatty() and sys.stdout.isatty():
            from engine import menu  # noqa: PLC0415

            return menu.run()
        made.print_help()
        return 0
    if options.doctor:
        from engine import doctor  # noqa: PLC0415 - it runs without the .venv

        return doctor.run()
    if options.systemd:
        from engine import systemd  # noqa: PLC0415 - it runs without the .venv

        return systemd.show(workers=options.workers, port=options.port, queue=options.queue)
    if not options.test and not options.supervise and choice.of(options) == "docker":
        return docker.run(options)
    from engine import commands  # noqa: PLC0415 - what the native engine needs is not there for the docker engine

    return commands.run(options, rest)


def main() -> int:
    """Run one command; its exit code. An EngineError is one sentence, never a traceback."""
    try:
        return run(sys.argv[1:])
    except EngineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return 130
    except BrokenPipeError:  # `| head` has seen enough
        sys.stderr.close()
        return 0


if __name__ == "__main__":
    sys.exit(main())

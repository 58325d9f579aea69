"""`python -m engine`: what start.py becomes. What a command needs is imported when it runs."""

from __future__ import annotations

import argparse
import importlib.util
import io
import sys
from collections.abc import Sequence

from engine import choice
from engine.command_line import parser, read
from engine.common import output
from engine.common.errors import EngineError
from engine.docker import commands as docker


def run(arguments: Sequence[str]) -> int:
    """Run one command line; its exit code. Raises EngineError."""
    options, rest = read(arguments)
    output.set_quiet(options.quiet)
    output.set_open(options.open)
    if not arguments:
        # Where containers do everything, the menu's library may never have been installed.
        if sys.stdin.isatty() and sys.stdout.isatty() and importlib.util.find_spec("questionary"):
            from engine import menu  # noqa: PLC0415

            return menu.run(run)
        parser().print_help()
        return 0
    if options.test:
        from engine import testing  # noqa: PLC0415

        return testing.run(options.test, rest)
    return _run_without_system(options) if options.version or options.doctor or options.systemd else _act(options)


def _run_without_system(options: argparse.Namespace) -> int:
    """What looks at this folder and this machine only, and works without the .venv."""
    if options.version:
        from engine.common import version  # noqa: PLC0415

        output.say(version.shown())
        return 0
    if options.doctor:
        from engine import doctor  # noqa: PLC0415

        return doctor.run()
    if options.engine == "docker":
        raise EngineError("The unit is for the native engine; containers start with Docker.")
    from engine.native import systemd  # noqa: PLC0415

    return systemd.show(workers=options.workers, port=options.port, queue=options.queue, asked=options.pool)


def _act(options: argparse.Namespace) -> int:
    if not options.supervise and choice.of(options) == "docker":
        return docker.run(options)
    from engine.native import commands  # noqa: PLC0415 - the docker engine runs without what it needs

    return commands.run(options)


def main() -> int:
    """Run one command; its exit code. An EngineError is one sentence, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a letter shows a question mark
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

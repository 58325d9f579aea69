"""`python -m ml_service.cli`: the `ml-service` command."""

from __future__ import annotations

import contextlib
import os
import sys


def main() -> None:
    """Run the command line; whatever stops it, nobody at a terminal is shown a traceback for it."""
    try:
        "".join(sys.argv).encode()
    except UnicodeEncodeError:  # what the database stores and the terminal shows is UTF-8
        sys.exit("The command line is not UTF-8.")
    try:
        # The imports take a while, in which Ctrl-C may come too.
        from ml_service.cli.commands import app  # noqa: PLC0415

        try:
            app(prog_name="ml-service")
        finally:
            sys.stdout.flush()  # here, where a failure can be said
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        _leave(error)


def _leave(error: OSError) -> None:
    """Say that what was printed went nowhere, unless its reader has seen enough (``| head``)."""
    if not isinstance(error, BrokenPipeError):
        with contextlib.suppress(OSError):
            os.write(2, f"{error.filename or 'The output'}: {error.strerror or error}\n".encode())
    os._exit(1)  # what is still buffered cannot be written either


if __name__ == "__main__":
    main()

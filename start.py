#!/usr/bin/env python3
"""Start, stop and look at the ML Service: `python3 start.py --start`.

This file runs on whatever Python there is (3.6 and newer can read it) and needs nothing installed. It prepares the
`.venv` that the rest of the project runs in, and hands over to `engine/`.
"""

import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent
PYTHON_MIN = (3, 11)
PYTHON_MAX = (3, 14)
"""The locks hold from the one to the other."""


def is_supported(version: "tuple[int, ...]") -> bool:
    """Whether the locks hold for this Python."""
    return PYTHON_MIN <= version[:2] <= PYTHON_MAX


def find_supported() -> "str | None":
    """Another Python on the PATH that the locks hold for, the newest first."""
    for minor in range(PYTHON_MAX[1], PYTHON_MIN[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        # A version manager's stub is on the PATH whether or not it leads to a Python: try it.
        if found and subprocess.call([found, "-c", ""], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0:
            return found
    return None


def main() -> int:
    """Check Python, prepare the environment, hand over; returns an exit code where it cannot."""
    if os.name == "nt":
        print("Windows has no native engine: use Docker (docker compose up -d) or WSL.")
        return 1
    if not is_supported(sys.version_info[:3]):
        here = "{}.{}".format(*sys.version_info[:2])
        other = find_supported()
        if other is None:
            wanted = "{}.{} to {}.{}".format(*PYTHON_MIN, *PYTHON_MAX)
            print(f"This is Python {here}; the service needs {wanted} and found none of them on the PATH.")
            return 1
        print(f"This is Python {here}; going on with {other}.")
        sys.stdout.flush()
        os.execv(other, [other, str(ROOT / "start.py"), *sys.argv[1:]])  # noqa: S606 - it takes our place
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal that lacks a letter shows a ?
    os.environ["START_PY_CALLED_IN"] = os.getcwd()  # noqa: PTH109 - the oldest Pythons read this
    os.chdir(str(ROOT))
    sys.path.insert(0, str(ROOT))
    from engine import setup  # noqa: PLC0415 - an older Python could not read it

    return setup.main(sys.argv[1:])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

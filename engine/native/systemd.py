"""`--systemd`: a unit for this folder, printed, not installed."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Sequence

from engine.common import pools
from engine.common.errors import EngineError
from engine.common.pools import Pool
from engine.common.state import PROJECT, ROOT, read_engine

UNIT = """\
# python3 start.py --systemd | sudo tee /etc/systemd/system/ml-service.service
# sudo systemctl daemon-reload && sudo systemctl enable --now ml-service
[Unit]
Description=ML Service
After=network-online.target
Wants=network-online.target

[Service]
Type=notify
NotifyAccess=main
User={user}
WorkingDirectory={root}
ExecStart={command} start.py --start --foreground --engine native{options}
# The first start installs the environment.
TimeoutStartSec=900
# The service drains: no new work, what runs is finished, then the queue and the database.
TimeoutStopSec=120
KillMode=mixed
Restart=on-failure
RestartSec=5
# Port 80 without root.
AmbientCapabilities=CAP_NET_BIND_SERVICE
ProtectSystem=full
PrivateTmp=true

[Install]
WantedBy=multi-user.target
"""


def path(text: str) -> str:
    """A path as a unit's setting takes it: `%` begins a specifier there. systemd.unit(5)

    Raises:
        EngineError: no unit can name it.
    """
    if "\n" in text or text != text.strip() or text.endswith("\\"):
        raise EngineError("A systemd unit cannot name this folder: a line break, an outer space or a last backslash.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise EngineError("A systemd unit cannot name this folder: its name is not UTF-8.") from None
    return text.replace("%", "%%")


def word(text: str) -> str:
    """One word of a command line, quoted where it has to be. systemd.syntax(7), systemd.service(5)"""
    if all(character.isalnum() or character in "/._-+=:@" for character in text):
        return text
    return '"' + path(text).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$") + '"'


def command(program: str) -> str:
    """A program as ExecStart= takes it: a name with quotes, backslashes or dollars only as an argument."""
    return word(program) if word(program) == program else f"/usr/bin/env {word(program)}"


def user() -> str:
    """The user of the unit: the one who called sudo, or the caller."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # an id without a name
        return str(os.getuid())


def show(*, workers: int | None, port: int | None, queue: str | None, asked: Sequence[Pool] = ()) -> int:
    """Print the unit with the options that were given; each start takes the others from the last one.

    Raises:
        EngineError: no start could have these pools.
    """
    last = read_engine(PROJECT)
    last = last if last.get("engine") == "native" else {}
    given = {"workers": workers, "port": port or last.get("port"), "queue": queue}
    options = "".join(f" --{name} {value}" for name, value in given.items() if value is not None)
    pools.merged(pools.of_last_start(last.get("pools", [])), asked)  # what is wrong with them is said now
    options += "".join(f" --pool {word(pool.text)}" for pool in asked)
    base = getattr(sys, "_base_executable", sys.executable)  # the Python that start.py begins with
    sys.stdout.write(UNIT.format(user=user(), root=path(str(ROOT)), command=command(base), options=options))
    return 0

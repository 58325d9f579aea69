"""`--systemd`: a unit for this folder, printed, not installed."""

from __future__ import annotations

import getpass
import sys

from engine.setup import ROOT

UNIT = """\
# sudo sh -c 'python3 start.py --systemd > /etc/systemd/system/ml-service.service'
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
ExecStart={python} {root}/start.py --start --foreground --engine native{options}
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


def show(*, workers: int | None, port: int | None, queue: str | None) -> int:
    """Print the unit with the options that were given."""
    given = {"workers": workers, "port": port, "queue": queue}
    options = "".join(f" --{name} {value}" for name, value in given.items() if value is not None)
    base = getattr(sys, "_base_executable", sys.executable)  # the Python that start.py begins with
    sys.stdout.write(UNIT.format(user=getpass.getuser(), root=ROOT, python=base, options=options))
    return 0

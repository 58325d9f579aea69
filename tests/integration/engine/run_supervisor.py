"""A supervisor over the small programs: `python -m …run_supervisor FOLDER WORKERS [APP [POOL …]]`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from engine.common.errors import EngineError
from engine.common.pools import parse
from engine.common.state import ROOT, Places, load_secrets
from engine.native.plan import Commands, Plan
from engine.native.service import Patience
from engine.native.supervisor import supervise

PROGRAM = (sys.executable, "-m", "tests.support.programs")


def main() -> None:
    places = Places(Path(sys.argv[1]))
    app = sys.argv[3] if len(sys.argv) > 3 else "app"
    trace = os.environ["TRACE"]
    commands = Commands(
        migrate=(*PROGRAM, "migrate", trace),
        app=(*PROGRAM, app.removesuffix("-with-helpers"), trace),
        worker=(*PROGRAM, "worker-with-helper" if app == "app-with-helpers" else "worker", trace),
        bot=(*PROGRAM, "bot", trace),
    )

    def plan() -> Plan:
        return Plan(
            places=places,
            cwd=ROOT,
            workers=int(sys.argv[2]),
            pools=tuple(map(parse, sys.argv[4:])),
            app_processes=2,
            host="127.0.0.1",
            port=0,
            secrets=load_secrets(places),
            commands=commands,
        )

    try:
        supervise(plan, places, Patience(healthy_after_s=1, stop_timeout_s=5))
    except EngineError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()

"""A supervisor over the small programs: `python -m tests.integration.engine.run_supervisor FOLDER WORKERS [APP]`."""

from __future__ import annotations

import sys
from pathlib import Path

from engine.errors import EngineError
from engine.plan import Commands, Plan
from engine.service import Patience
from engine.state import ROOT, Places, load_secrets
from engine.supervisor import supervise

PROGRAM = (sys.executable, "-m", "tests.integration.engine.programs")


def main() -> None:
    places = Places(Path(sys.argv[1]))
    app = sys.argv[3] if len(sys.argv) > 3 else "app"
    commands = Commands(
        migrate=(*PROGRAM, "migrate"), app=(*PROGRAM, app), worker=(*PROGRAM, "worker"), bot=(*PROGRAM, "bot")
    )

    def plan() -> Plan:
        return Plan(
            places=places,
            cwd=ROOT,
            workers=int(sys.argv[2]),
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

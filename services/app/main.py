"""The API: reads the settings, wires, serves. `python -m services.app.main`."""

from __future__ import annotations

from ml_service.garbage import seldom_collect
from ml_service.logs import set_up_logs
from ml_service.settings import read_settings
from services.app.serve import listen, serve
from services.app.wiring import create_app


def main() -> None:
    """Serve until asked to stop."""
    settings = read_settings("app")
    set_up_logs("app", level=settings.log_level, style=settings.log_format)
    app = create_app(settings)
    seldom_collect()
    serve(app, listen(settings))


if __name__ == "__main__":
    main()

"""The API: reads the settings, wires, serves. `python -m services.app.main`."""

from __future__ import annotations

from ml_service.platform.free_memory import return_large_blocks
from ml_service.platform.gc_tuning import tune_gc
from ml_service.platform.hidden_process import hide_process
from ml_service.platform.logs import set_up_logs
from ml_service.platform.metrics import share_metrics
from ml_service.platform.settings.app import AppSettings
from ml_service.platform.settings.reading import read_settings
from ml_service.wiring import check_addresses
from services.app.http.connection_limits import HttpLimits
from services.app.http.server import listen, serve
from services.app.wiring import create_app


def main() -> None:
    """Serve until asked to stop."""
    hide_process()
    return_large_blocks()
    settings = read_settings(AppSettings)
    set_up_logs("app", level=settings.log_level, style=settings.log_format)
    share_metrics()
    check_addresses(settings)  # uvicorn would wrap it into a traceback
    app = create_app(settings)
    tune_gc()
    serve(app, listen(settings), HttpLimits(connections_max=settings.connections_max))


if __name__ == "__main__":
    main()

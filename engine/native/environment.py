"""What of the caller's environment reaches a program of ours: an allow-list, so that nothing leaks in by accident."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from engine.common.errors import EngineError
from engine.common.state import PROJECT
from ml_service.platform.harmless_variables import is_harmless
from ml_service.platform.settings.app import AppSettings
from ml_service.platform.settings.bot import BotSettings
from ml_service.platform.settings.common import CommonSettings, RetentionSettings
from ml_service.platform.settings.files import SettingsError
from ml_service.platform.settings.ml_worker import WorkerSettings
from ml_service.platform.settings.reading import collect, names_of

_NAMES = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "XDG_CACHE_HOME"}
    | {"SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"}
)
_ENGINES = frozenset({"DATABASE_URL", "AMQP_URL", "HOST", "PORT", "WORKER_NAME"})
"""Settings that the engine sets for each program itself."""
_PYTHON = {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "PYTHONNOUSERSITE": "1"}

_COMMAND_LINE = (CommonSettings, WorkerSettings, RetentionSettings)
SERVICES: Mapping[str, type[CommonSettings]] = {"app": AppSettings, "bot": BotSettings, "worker": WorkerSettings}


def collected(settings: type[CommonSettings], folder: Path) -> dict[str, str]:
    """What counts for a service of the project in ``folder``, by its files and this process's environment.

    Raises:
        EngineError: a file cannot be read.
    """
    try:
        return collect(settings, folder=folder, environment=os.environ)
    except SettingsError as error:
        raise EngineError(str(error)) from None


def basic(caller: Mapping[str, str]) -> dict[str, str]:
    """What any program may know of the terminal that it was started from."""
    kept = {"PATH": os.defpath, "HOME": str(PROJECT.var)}
    kept |= {name: value for name, value in caller.items() if name.upper() in _NAMES or name.startswith("LC_")}
    return kept | _PYTHON


def for_service(role: str | None, folder: Path, caller: Mapping[str, str]) -> dict[str, str]:
    """``basic`` and the settings that the service itself has; where models run, also what those may see.

    Args:
        role: None is the command line, which runs models as a worker does.
        folder: The project's.
        caller: The environment of who has started us.

    Raises:
        EngineError: a file of settings cannot be read.
    """
    classes: list[type[CommonSettings]] = [SERVICES[role]] if role else list(_COMMAND_LINE)
    names = {name for one in classes for name in names_of(one)} - _ENGINES
    env = {name.upper(): value for name, value in caller.items() if value and name.upper() in names}
    if role in (None, "worker"):
        named = {name.strip() for name in collected(WorkerSettings, folder).get("MODEL_ENVIRONMENT", "").split(",")}
        env |= {name: value for name, value in caller.items() if name in named or is_harmless(name, value)}
    return env | basic(caller)

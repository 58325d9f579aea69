"""Which value of a setting counts: one precedence for every service, the command line and both engines."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from ml_service.platform.settings.app import AppSettings
from ml_service.platform.settings.bot import BotSettings
from ml_service.platform.settings.common import CommonSettings
from ml_service.platform.settings.engine import EngineSettings
from ml_service.platform.settings.files import SettingsError, all_values, read_as_written, read_file
from ml_service.platform.settings.ml_worker import WorkerSettings

AnySettings = TypeVar("AnySettings", bound=CommonSettings)

SERVICES: tuple[type[CommonSettings], ...] = (AppSettings, BotSettings, WorkerSettings)
PROJECT_FILE = ".env"
_PLACES = frozenset({"SETTINGS_FOLDER", "SECRETS_FOLDER"})
_COMPOSE_NAME = re.compile(r"\$\{([A-Z][A-Z0-9_]*)")
_ENVIRONMENT = "the environment"
_FOREIGN_PREFIXES = ("COMPOSE_", "DOCKER_", "BUILDKIT_")


def names_of(settings: type[CommonSettings]) -> set[str]:
    """The names of a service's settings, in capitals."""
    return {name.upper() for name in settings.model_fields}


def file_of(service: str) -> str:
    """A service's own file, from the project's folder."""
    return f"services/{service}/.env"


def _files(service: str) -> list[str]:
    """The files that a service reads, the one that counts most first."""
    return list(dict.fromkeys([PROJECT_FILE, file_of(service), file_of(AppSettings.service)]))


def all_files() -> list[str]:
    """Every file of settings, the one that counts most first."""
    return [PROJECT_FILE, *(file_of(one.service) for one in SERVICES)]


def collect(
    settings: type[CommonSettings],
    *,
    folder: Path,
    environment: Mapping[str, str],
    generated: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The values that count for one service, by name in capitals; those that only another one needs are left out.

    Args:
        folder: The project's folder, with `.env` and services/<service>/.env.
        environment: Counts most.
        generated: Counts least.

    Raises:
        SettingsError: a file cannot be read, or the mode or the queue is asked for twice and differently.
    """
    files = {name: read_file(folder / name) for name in all_files()}
    here = {name.upper(): value for name, value in environment.items() if value}
    layers = [generated or {}, *(files[name] for name in reversed(_files(settings.service))), here]
    known = names_of(settings)
    values = {name: value for layer in layers for name, value in layer.items() if name in known}
    values |= _mode(folder, environment) | _queue(files, here)
    if settings is WorkerSettings:
        values.setdefault("MODEL_VARIABLES", json.dumps(_for_models(folder)))
    return values


def _mode(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """One mode for all services. A request for production must never start the demo, whose password is well known."""
    here = [value for name, value in environment.items() if name.upper() == "MODE" and value]
    asked = [(_ENVIRONMENT, mode) for mode in here]
    asked += [(name, mode) for name in all_files() for mode in reversed(all_values(folder / name, "MODE"))]
    if not asked:
        return {}
    first, counts = asked[0]
    for place, mode in asked:
        if mode.lower() != "demo" and counts.lower() == "demo":
            raise SettingsError(f"MODE is {counts} in {first} and {mode} in {place}: let both say the same.")
    return {"MODE": counts}


def _queue(files: Mapping[str, Mapping[str, str]], environment: Mapping[str, str]) -> dict[str, str]:
    """One queue for all services: what one of them puts into it another one takes out."""
    name = "QUEUE_BACKEND"
    for common in environment, files[PROJECT_FILE]:
        if name in common:
            return {name: common[name]}
    asked = [(file, values[name]) for file, values in files.items() if name in values]
    if not asked:
        return {}
    first, counts = asked[0]
    for file, queue in asked:
        if queue.lower() != counts.lower():
            raise SettingsError(f"{name} is {counts} in {first} and {queue} in {file}: let both say the same.")
    return {name: counts}


def _for_models(folder: Path) -> dict[str, str]:
    """What services/ml_worker/.env says to the models themselves, as it is written: all that is no setting of ours."""
    ours = known_names()
    file = read_as_written(folder / file_of(WorkerSettings.service))
    return {name: value for name, value in file.items() if name.upper() not in ours}


def known_names(folder: Path | None = None) -> set[str]:
    """The name of every setting; with ``folder`` also those that its compose files take."""
    names = set(_PLACES).union(names_of(EngineSettings), *(names_of(one) for one in SERVICES))
    for file in folder.glob("docker-compose*.yaml") if folder else ():
        names |= set(_COMPOSE_NAME.findall(file.read_text(encoding="utf-8")))
    return names


def unknown_settings(folder: Path) -> list[str]:
    """A sentence for each name in the files that is no setting, or is none of who reads that file.

    In services/ml_worker/.env other names are for the models, so that only what looks like a slip is told.

    Raises:
        SettingsError: a file cannot be read.
    """
    known = known_names(folder)
    own = {file_of(one.service): names_of(one) for one in SERVICES if one is not AppSettings}
    sentences = []
    for name in all_files():
        for setting in read_file(folder / name):
            if setting.startswith(_FOREIGN_PREFIXES):
                continue
            if setting in known:
                if setting not in own.get(name, known):
                    sentences.append(f"{name}: {setting} has no effect there. Write it into {PROJECT_FILE}.")
                continue
            close = difflib.get_close_matches(setting, known, n=1, cutoff=0.8)
            if close:
                sentences.append(f"{name}: {setting} is not a setting. Did you mean {close[0]}?")
            elif name != file_of(WorkerSettings.service):
                sentences.append(f"{name}: {setting} is not a setting.")
    return sentences


def _secrets(folder: str | None, names: Iterable[str]) -> dict[str, str]:
    """The files of SECRETS_FOLDER, each of which holds the value of the setting that it is named after."""
    if not folder:
        return {}
    values = {}
    for name in names:
        file = Path(folder) / name.lower()
        try:
            if file.is_file():
                values[name] = file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError(f"{file} cannot be read: {error.strerror}.") from None
    return values


def load(
    settings: type[AnySettings],
    *,
    folder: Path,
    environment: Mapping[str, str],
    generated: Mapping[str, str] | None = None,
) -> AnySettings:
    """The settings of one service.

    Raises:
        SettingsError: a value is wrong, or a file cannot be read.
    """
    generated = {**_secrets(environment.get("SECRETS_FOLDER"), names_of(settings)), **(generated or {})}
    values = collect(settings, folder=folder, environment=environment, generated=generated)
    try:
        return settings.model_validate({name.lower(): value for name, value in values.items()})
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            if problem["type"] == "default_factory_not_called":
                continue  # this default depends on another setting, whose own problem is in the list
            name = ".".join(str(part) for part in problem["loc"]).upper()
            lines.append(f"{name + ': ' if name else ''}{problem['msg'].removeprefix('Value error, ')}")
        raise SettingsError("Wrong settings. " + "; ".join(lines)) from None


def read_settings(settings: type[AnySettings]) -> AnySettings:
    """The settings of this process; exits with one clear sentence where they are wrong.

    SETTINGS_FOLDER in the environment says where the project's files are (the working folder when it is not set),
    SECRETS_FOLDER where the files with secrets are.
    """
    try:
        return load(settings, folder=Path(os.environ.get("SETTINGS_FOLDER") or "."), environment=os.environ)
    except SettingsError as error:
        raise SystemExit(str(error)) from None

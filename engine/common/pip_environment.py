"""What pip may know of its caller's settings, and whether it has done what it said. Standard library only.

Where packages come from, and how they are reached, is as the caller has it: by variables, and by pip's configuration
files (the machine's, the user's, PIP_CONFIG_FILE). Everything else that pip can be told (another target, the user's
folder, constraints, a dry run, another Python) is meant for other installations, and would keep packages out of ours.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path

from engine.common.errors import EngineError

_FOLLOWED = frozenset(
    {"INDEX_URL", "EXTRA_INDEX_URL", "NO_INDEX", "FIND_LINKS", "TRUSTED_HOST", "PROXY", "CERT", "CLIENT_CERT"}
    | {"TIMEOUT", "RETRIES", "RESUME_RETRIES", "KEYRING_PROVIDER", "USE_FEATURE", "USE_DEPRECATED"}
)
_OTHER_NAMES = {"PYPI_URL": "INDEX_URL", "DEFAULT_TIMEOUT": "TIMEOUT"}
"""Two names of one option: what is set closest to us counts, whichever of them it has."""
_SECTIONS = ("global", "install")
"""Of a configuration file, in pip's order: the later one counts."""
_LINE = re.compile(r"(global|install)\.([a-z0-9-]+)=(.*)")


def variables(pip: Sequence[str], caller: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for an installation with the command ``pip``.

    Raises:
        EngineError: pip cannot read its configuration files.
    """
    asked = os.environ if caller is None else caller
    rest = without_wishes(asked)
    options = {name[len("PIP_") :]: value for name, value in asked.items() if name.startswith("PIP_")}
    followed = {**_configured(pip, rest, options.get("CONFIG_FILE")), **_followed(options)}
    return {
        **rest,
        **{f"PIP_{name}": value for name, value in followed.items()},
        "PIP_CONFIG_FILE": os.devnull,  # which pip takes for: read no configuration file at all
        "PIP_NO_INPUT": "1",
    }


def without_wishes(caller: Mapping[str, str]) -> dict[str, str]:
    """The environment of a program that is to know nothing of pip's options, nor of Python's.

    A PYTHONPATH would show pip packages that our programs, which are started without it, do not find.
    """
    return {name: value for name, value in caller.items() if not name.startswith(("PIP_", "PYTHON"))}


def _followed(options: Mapping[str, str]) -> dict[str, str]:
    named = {_OTHER_NAMES.get(name, name): value for name, value in options.items()}
    return {name: value for name, value in named.items() if name in _FOLLOWED and value}


def _configured(pip: Sequence[str], rest: Mapping[str, str], config_file: str | None) -> dict[str, str]:
    """What the configuration files say of the options that are followed."""
    # A file that asks pip to be quiet, or to talk, would change what it lists.
    env = {**rest, "PIP_QUIET": "0", "PIP_VERBOSE": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    if config_file:
        env["PIP_CONFIG_FILE"] = config_file
    listed = [match.groups() for line in _ask(pip, env, "list").splitlines() if (match := _LINE.fullmatch(line))]
    # A newer pip lists each file by itself, in the order of their names: it knows which one counts.
    counted = Counter((section, name) for section, name, _ in listed)
    found: dict[str, dict[str, str]] = {section: {} for section in _SECTIONS}
    for section, name, text in listed:
        found[section][name.upper().replace("-", "_")] = (
            str(ast.literal_eval(text))
            if counted[section, name] == 1
            else _ask(pip, env, "get", f"{section}.{name}").strip()
        )
    return {**_followed(found["global"]), **_followed(found["install"])}


def _ask(pip: Sequence[str], env: Mapping[str, str], *question: str) -> str:
    command = [*pip, "config", *question]
    done = subprocess.run(command, env=env, capture_output=True, text=True, errors="surrogateescape", check=False)
    if done.returncode != 0:
        raise EngineError(f"pip cannot read its configuration files: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def missing(report: Path, environment: Path) -> list[str]:
    """The packages that pip says (``install --report``) it has installed and that ``environment`` does not have."""
    folders = [str(folder) for folder in environment.glob("lib/python3*/site-packages")]
    there = {(_key(one.metadata["Name"] or ""), one.version) for one in distributions(path=folders)}
    said = [one["metadata"] for one in json.loads(report.read_text("utf-8"))["install"]]
    return sorted(one["name"] for one in said if (_key(one["name"]), one["version"]) not in there)


def _key(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()

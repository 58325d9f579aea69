"""`--doctor`: what is wrong with this machine, in sentences that say what to do. Standard library only."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.common.state import ROOT
from engine.setup import DISK_MIN_BYTES, Environment

Verdict = Literal["ok", "note", "bad"]

MEMORY_MIN_BYTES = 1_500_000_000
FILES_MIN = 1024
_SYMBOLS = {"ok": "✓", "note": "·", "bad": "✗"}
_CLOCK_TOLERANCE_S = 86400


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: how it stands, and what to do about it."""

    verdict: Verdict
    title: str
    text: str


def _run(*command: str) -> tuple[int, str]:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=15, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return 127, str(error)
    return done.returncode, done.stdout + done.stderr


def python() -> Iterator[Finding]:
    """The interpreter and what it can make an environment with."""
    version = platform.python_version()
    yield Finding("ok", "Python", f"{version} ({sys.executable})")
    environment = Environment()
    if environment.is_current(tests=False):
        yield Finding("ok", "Environment", ".venv is as the locks say")
    elif importlib.util.find_spec("ensurepip") is None and importlib.util.find_spec("pip") is None:
        short = ".".join(version.split(".")[:2])
        yield Finding("bad", "Environment", f"this Python has no venv module: apt install python{short}-venv")
    elif environment.installed():
        yield Finding("note", "Environment", "the next --start brings it up to date: the locks or the Python changed")
    else:
        yield Finding("note", "Environment", "will be made at the first --start (download some 370 MB)")


def machine() -> Iterator[Finding]:
    """Processor, memory, disk, limits."""
    cores = os.cpu_count() or 1
    yield Finding("ok", "Processor", f"{platform.machine()}, {cores} cores{_vector_units()}")
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        verdict: Verdict = "ok" if memory >= MEMORY_MIN_BYTES else "bad"
        text = f"{memory / 1e9:.1f} GB" + ("" if verdict == "ok" else ": fewer workers (--workers 1) need less")
        yield Finding(verdict, "Memory", text)
    except (ValueError, OSError):
        yield Finding("note", "Memory", "not known")
    free = shutil.disk_usage(ROOT).free
    enough = free >= (DISK_MIN_BYTES if not Environment().installed() else DISK_MIN_BYTES / 5)
    yield Finding("ok" if enough else "bad", "Disk", f"{free / 1e9:.1f} GB free in {ROOT}")
    yield _folder()
    import resource  # noqa: PLC0415 - not everywhere

    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    text = f"{files} open files allowed" + ("" if files >= FILES_MIN else f": raise it (ulimit -n {FILES_MIN})")
    yield Finding("ok" if files >= FILES_MIN else "bad", "Limits", text)


def _vector_units() -> str:
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    if platform.machine() != "x86_64":
        return ""
    return ", AVX2" if " avx2" in flags else ", AVX" if " avx" in flags else ", no AVX: models run, slower"


def _folder() -> Finding:
    probe = ROOT / "var" / "doctor.sh"
    try:
        probe.parent.mkdir(mode=0o700, exist_ok=True)
        probe.write_text("#!/bin/sh\nexit 0\n")
        probe.chmod(0o700)
        code = _run(str(probe))[0]
        probe.unlink()
    except OSError as error:
        return Finding("bad", "Folder", f"{error.strerror}: {error.filename}. It must be yours to write")
    if code != 0:
        return Finding("bad", "Folder", f"{ROOT} lies on a disk where programs may not run (noexec): move it")
    return Finding("ok", "Folder", "can be written, and programs run in it")


def clock() -> Iterator[Finding]:
    """A clock that is wrong breaks TLS and tokens."""
    newest = max(path.stat().st_mtime for path in [Path(__file__), *ROOT.glob("services/*/requirements.txt")])
    if time.time() + _CLOCK_TOLERANCE_S < newest:
        yield Finding(
            "bad", "Clock", f"it says {time.strftime('%Y-%m-%d')}, which is before these files were made: set it"
        )
        return
    code, said = _run("timedatectl", "show", "-p", "NTPSynchronized", "--value")
    known = code == 0 and said.strip() in ("yes", "no")
    text = (
        {"yes": "synchronized", "no": "not synchronized (timedatectl set-ntp true)"}[said.strip()]
        if known
        else "plausible"
    )
    yield Finding("note" if known and said.strip() == "no" else "ok", "Clock", text)


def port_numbers() -> Iterator[Finding]:
    """The ports that the API takes when none is named."""
    usable = []
    for port in (80, 8000):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))  # noqa: S104 - as the API will
            except PermissionError:
                yield Finding("note", f"Port {port}", "needs root; 8000 is taken instead")
            except OSError:
                yield Finding("note", f"Port {port}", "taken (by the service itself, if it runs)")
            else:
                usable.append(port)
                yield Finding("ok", f"Port {port}", "free")
    if not usable:
        yield Finding("note", "Ports", "neither is free: start with --port 8080, unless it is the service itself")


def docker() -> Iterator[Finding]:
    """Whether the docker engine can be used; the native one needs none of it."""
    if not shutil.which("docker"):
        yield Finding("note", "Docker", "not installed; the native engine needs none")
        return
    code, said = _run("docker", "info", "--format", "{{.ServerVersion}}")
    if code == 0 and said.strip() and "cannot connect" not in said.lower():
        yield Finding("ok", "Docker", f"engine {said.strip().splitlines()[0]}")
    elif "permission denied" in said.lower():
        yield Finding("note", "Docker", "this user may not use it: sudo usermod -aG docker $USER, then log in again")
        return
    else:
        yield Finding("note", "Docker", "installed, but no engine answers; the native engine is used")
        return
    if _run("docker", "compose", "version")[0] != 0 and not shutil.which("docker-compose"):
        yield Finding(
            "bad", "Compose", "Docker has no Compose plugin: install docker-compose-plugin, or --engine native"
        )


def servers() -> Iterator[Finding]:
    """PostgreSQL and RabbitMQ, once the environment stands."""
    if importlib.util.find_spec("psutil") is None:
        yield Finding("note", "PostgreSQL", "comes with the environment")
        return
    from engine.common.errors import EngineError  # noqa: PLC0415
    from engine.native import as_root, postgres, rabbitmq  # noqa: PLC0415 - they need the environment

    found = postgres.installations()
    if found:
        yield Finding("ok", "PostgreSQL", f"{found[0].major} ({found[0].folder})")
    else:
        yield Finding("bad", "PostgreSQL", "no binaries for this machine: install PostgreSQL 15+, or set DATABASE_URL")
    try:
        as_root.user_change()
    except EngineError as error:
        yield Finding("bad", "Root", str(error))
    text = str(rabbitmq.scripts()) if rabbitmq.available() else "not installed; PostgreSQL carries the tasks"
    yield Finding("ok" if rabbitmq.available() else "note", "RabbitMQ", text)


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (python, machine, clock, port_numbers, docker, servers)


def run() -> int:
    """Print all findings; exit code 1 when one keeps the service from running well."""
    bad = 0
    for check in CHECKS:
        for finding in check():
            bad += finding.verdict == "bad"
            sys.stdout.write(f" {_SYMBOLS[finding.verdict]} {finding.title:<12} {finding.text}\n")
    sys.stdout.write("\n" + (f"{bad} to be mended.\n" if bad else "Nothing is in the way.\n"))
    return 1 if bad else 0

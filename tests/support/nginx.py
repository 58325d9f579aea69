"""A real nginx with the project's configuration, in a private folder and on private ports."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from tests.support.app_process import Process
from tests.support.dns import HOST, Names
from tests.support.ports import free_port
from tests.support.waiting import PATIENCE_S

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "services" / "nginx"
WEB = ROOT / "services" / "app" / "web"
NGINX = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
MIME_TYPES = Path("/etc/nginx/mime.types")
SETTINGS = {
    "NGINX_SITE": "plain",
    "NGINX_BOT": "bot:8081",
    "NGINX_BODY_BYTES_MAX": "2000000",
    "NGINX_REQUESTS_PER_S": "2000",
    "NGINX_REQUESTS_BURST": "4000",
    "NGINX_SIGN_INS_PER_S": "5",
    "NGINX_SIGN_INS_BURST": "20",
    "NGINX_UNDER_WAY_MAX": "1000",
    "NGINX_LARGE_BODIES_MAX": "16",
    "NGINX_INSIDE_NETWORKS": "",
    "NGINX_TRUSTED_PROXIES": "",
}
"""As in docker-compose.yaml."""

FIRST, SECOND, THIRD, NOBODY = "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.99"
"""Where replicas are, all on one port, and where there is none."""
DATABASE = "behind_nginx"


def raw(port: int, *parts: bytes, timeout_s: float = 5, source: str = "127.0.0.1") -> bytes:
    """Send bytes as they are; returns what came until the server closed or paused."""
    with socket.create_connection(("127.0.0.1", port), timeout_s, (source, 0)) as connection:
        got = b""
        try:
            for part in parts:
                connection.sendall(part)
            while piece := connection.recv(65536):
                got += piece
        except (TimeoutError, ConnectionError):
            pass
        return got


@dataclass
class Door:
    """An nginx in front of the addresses that ``names`` gives for the app.

    Attributes:
        port, tls_port: Where it listens; TLS only with NGINX_SITE=tls.
        web: Its copy of the page's files, and `served`, what nginx has made of them.
    """

    folder: Path
    names: Names
    app_port: int
    settings: dict[str, str] = field(default_factory=lambda: dict(SETTINGS))
    changes: dict[str, str] = field(default_factory=dict)
    more_files: dict[str, Path] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    tls_port: int = field(default_factory=free_port)

    @property
    def web(self) -> Path:
        return self.folder / "web"

    @property
    def served(self) -> Path:
        return self.folder / "tmp" / "web"

    @property
    def files(self) -> Path:
        """What is /etc/nginx/ml-service in the container."""
        return self.folder / "ml-service"

    def write(self) -> None:
        """Make the configuration, as the container's entry point does, with private ports and paths."""
        shutil.copytree(CONFIGURATION, self.files)
        shutil.copytree(WEB, self.web)
        for name in ("tmp", "conf.d"):
            (self.folder / name).mkdir()
        shutil.copy(MIME_TYPES, self.folder)
        shutil.copy(self.files / "tls.conf.example", self.files / "tls.conf")
        for name, path in self.more_files.items():
            shutil.copytree(path, self.files / name)
        (self.files / "nginx.conf").replace(self.folder / "nginx.conf")
        places = {
            "/tmp/": f"{self.folder}/tmp/",  # noqa: S108  nginx's, to be replaced
            "/etc/nginx/ml-service": str(self.files),
            "listen 8080": f"listen 127.0.0.1:{self.port}",
            "listen 8443": f"listen 127.0.0.1:{self.tls_port}",
        }
        unused = set(self.changes)
        settings = self.files / "templates" / "settings.conf.template"
        for path in (self.folder / "nginx.conf", *self.files.glob("*.conf"), settings):
            text = path.read_text()
            unused -= {old for old in self.changes if old in text}
            for old, new in (places | self.changes).items():
                text = text.replace(old, new)
            path.write_text(text)
        assert not unused, f"not in the configuration: {unused}"
        self._put_in_settings()
        self.take_files()

    def take_files(self) -> None:
        """Serve the files of `web` as they are now."""
        environment = {"PATH": os.environ["PATH"], "PAGE_FILES": str(self.web), "PAGE_FILES_SERVED": str(self.served)}
        subprocess.run([self.files / "page-files.sh"], env=environment, check=True)

    def _put_in_settings(self) -> None:
        settings = {
            **self.settings,
            "NGINX_APP": f"{HOST}:{self.app_port}",
            "NGINX_RESOLVER": self.names.server,
            "NGINX_ENVSUBST_OUTPUT_DIR": str(self.folder / "conf.d"),
        }
        template = (self.files / "templates" / "settings.conf.template").read_text()
        # envsubst's rule: what is set is replaced, all else stays.
        made = re.sub(r"\$\{(\w+)\}", lambda found: settings.get(found[1], found[0]), template)
        (self.folder / "conf.d" / "settings.conf").write_text(made)
        for script in ("body-limit.sh", "networks.sh"):
            subprocess.run([self.files / script], env={"PATH": os.environ["PATH"], **settings}, check=True)

    def command(self, *more: str) -> list[str]:
        assert NGINX
        # Root's nginx would drop to a user who must not look into a private folder.
        user = " user root;" if os.geteuid() == 0 else ""
        main = f"daemon off;{user}"
        return [NGINX, "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), "-g", main, *more]

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Serve meanwhile."""
        with (self.folder / "access").open("ab") as access, (self.folder / "errors").open("ab") as errors:
            process = subprocess.Popen(self.command(), stdout=access, stderr=errors, start_new_session=True)
        try:
            self._wait(process)
            yield
        finally:
            with_all = os.getpgid(process.pid) if process.poll() is None else None
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                assert with_all is not None
                os.killpg(with_all, signal.SIGKILL)
                process.wait()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert process.poll() is None, self.errors()
                assert time.monotonic() < end, self.errors()
                time.sleep(0.02)
            else:
                return

    def errors(self) -> str:
        return (self.folder / "errors").read_text()

    def log(self) -> list[dict[str, Any]]:
        """The access log's whole lines."""
        lines = (self.folder / "access").read_bytes().decode().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def logged(self, request_id: str) -> dict[str, Any]:
        """The line of one request."""
        return self._find("request_id", request_id)[-1]

    def was_tried(self, statuses: str) -> bool:
        """Whether some request got these statuses, one after another, from replicas."""
        return bool(self._find("upstream_status", statuses))

    def _find(self, field: str, value: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        end = time.monotonic() + PATIENCE_S
        while not found and time.monotonic() < end:  # a line comes a moment after the answer
            found = [line for line in self.log() if line[field] == value]
            time.sleep(0.02)
        return found

    def client(self, source: str = "127.0.0.1", **options: Any) -> httpx2.Client:
        """A client whose address is ``source``."""
        transport = httpx2.HTTPTransport(local_address=source)
        return httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", transport=transport, timeout=20, **options)


@contextmanager
def a_door(
    app_port: int,
    *addresses: str,
    changes: dict[str, str] | None = None,
    files: dict[str, Path] | None = None,
    **settings: str,
) -> Iterator[Door]:
    """An nginx in front of the replicas at ``addresses``.

    Args:
        changes: What to replace by what in the configuration.
        files: Folders to put beside it, by their names there.
        settings: What differs from SETTINGS.
    """
    folder = Path(tempfile.mkdtemp(prefix="door-"))
    names = Names(*addresses)
    door = Door(folder, names, app_port, SETTINGS | settings, changes or {}, files or {})
    try:
        with names.answering():
            door.write()
            with door.opened():
                yield door
    finally:
        shutil.rmtree(folder, ignore_errors=True)


StartReplica = Callable[[str], AbstractContextManager[Process]]
OpenDoor = Callable[..., AbstractContextManager[Door]]

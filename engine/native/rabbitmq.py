"""A private RabbitMQ node: the installed `rabbitmq-server`, but not the machine's own RabbitMQ service.

Its files are all in one folder (home, cookie, database, ports, log) and it listens on loopback only, so that any number
of nodes can run beside each other and beside the machine's own.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from engine.common.errors import EngineError
from engine.common.state import private_folder
from engine.native.private_node import PrivateNode
from engine.native.processes import FolderAlias, log_tail, name_of, running_in, signal_all, spawn, tree, wait_until
from ml_service.platform import rabbitmq_users

LOOPBACK = "127.0.0.1"
NODE_NAME = "ml_service@localhost"
PORTS = range(20000, 32000)
"""Below the ports that systems hand out to outgoing connections (ip_local_port_range begins at 32768): a client
cannot take the node's port while the node restarts."""

_AMQP_GREETING = b"AMQP\x00\x00\x09\x01"


@cache
def scripts() -> Path | None:
    """The folder of the server's own scripts, None when RabbitMQ is not installed.

    Debian's /usr/sbin/rabbitmq-server is a wrapper that changes the user; the scripts proper stand beside
    `rabbitmq-env` and run as their caller.
    """
    folders = [
        Path("/usr/lib/rabbitmq/bin"),
        *sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin"), reverse=True),
        Path("/opt/rabbitmq/sbin"),
        Path("/opt/homebrew/opt/rabbitmq/sbin"),
        Path("/usr/local/opt/rabbitmq/sbin"),
    ]
    found = shutil.which("rabbitmq-server")
    if found:
        folders = [Path(found).parent, Path(found).resolve().parent, *folders]
    for folder in folders:
        if (folder / "rabbitmq-server").exists() and (folder / "rabbitmq-env").exists():
            return folder
    return None


@cache
def _epmd() -> Path | None:
    erl = shutil.which("erl")
    for folder in [Path(erl).resolve().parent] if erl else []:
        if (folder / "epmd").exists():
            return folder / "epmd"
    found = shutil.which("epmd")
    return Path(found) if found else None


def available() -> bool:
    """Whether a node can be started here."""
    return scripts() is not None and _epmd() is not None


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


class RabbitNode(PrivateNode):
    """One RabbitMQ node in one folder; the folder keeps its messages between starts.

    `start()` does all; a supervisor that must not block calls `prepare()`, `spawn()` and `is_ready()` itself. The node
    and its epmd end when the *thread* that started them ends (prctl PDEATHSIG).
    """

    def __init__(
        self,
        folder: Path,
        *,
        log: Path | None = None,
        user: str = "ml_service",
        password: str | None = None,
        guest: bool = False,
    ) -> None:
        """``password``: generated and kept in the folder when None. ``guest``: guest/guest works too (loopback only).

        Raises:
            EngineError: RabbitMQ is not installed, or the folder cannot be used.
        """
        if not available():
            raise EngineError("No RabbitMQ here (looked for rabbitmq-server and Erlang's epmd).")
        if os.fsencode(folder.absolute()).decode(errors="replace") != str(folder.absolute()):
            raise EngineError(
                f"RabbitMQ cannot run in {str(folder.absolute())!a}, which is not UTF-8: move the project to another "
                "folder, set AMQP_URL, or use --queue postgres."
            )
        self.folder = private_folder(folder.absolute())
        # The node's disk monitor writes this path between single quotes into a shell's command.
        self._alias = FolderAlias(self.folder, unless="'" not in str(self.folder), reason="has a quote in it")
        self.log = log or self.folder / "rabbitmq.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.notes: list[str] = []
        self.user = user
        self.node_name = NODE_NAME
        self._state = self._load_state()
        self.password = password or self._state.setdefault("password", secrets.token_urlsafe(24))
        self._guest = guest
        self._epmd_process: subprocess.Popen[bytes] | None = None
        self._has_answered = False
        self._choose_ports()

    def _load_state(self) -> dict[str, str]:
        try:
            state = json.loads((self.folder / "node.json").read_text())
        except (OSError, ValueError):
            return {}
        return {str(key): str(value) for key, value in state.items()} if isinstance(state, dict) else {}

    def _choose_ports(self) -> None:
        # Kept between starts, so that a client's URL stays true; chosen again when another program took one.
        names = ("port", "dist_port", "epmd_port")
        try:
            ports = [int(self._state[name]) for name in names]
        except (KeyError, ValueError):
            ports = []
        if not ports or not (all(map(_is_free, ports)) or self._old_processes()):
            ports = []
            while len(ports) < len(names):
                port = random.choice(PORTS)  # noqa: S311 - two nodes at once should not try the same; no secret
                if port not in ports and _is_free(port):
                    ports.append(port)
        self.port, self.dist_port, self.epmd_port = ports
        self._state.update(zip(names, map(str, ports), strict=True))
        file = self.folder / "node.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(self._state))

    @property
    def amqp_url(self) -> str:
        """Where and as whom to connect; the same after a restart."""
        return f"amqp://{quote(self.user, safe='')}:{quote(self.password, safe='')}@{LOOPBACK}:{self.port}/"

    @property
    def environment(self) -> dict[str, str]:
        """What makes the server's scripts (and its command-line tools) this node's and no other's."""
        folder = self.folder
        loopback = "{127,0,0,1}"
        return {
            "PATH": f"{scripts()}:{os.environ.get('PATH', os.defpath)}",
            "LANG": "C.UTF-8",
            "HOME": str(folder),
            "RABBITMQ_NODENAME": self.node_name,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
            "RABBITMQ_DIST_PORT": str(self.dist_port),
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-kernel inet_dist_use_interface {loopback}",
            "RABBITMQ_CTL_ERL_ARGS": f"-kernel inet_dist_use_interface {loopback}",
            "RABBITMQ_MNESIA_BASE": f"{self._alias.path}/mnesia",
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(folder / "rabbitmq.pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
            "RABBITMQ_FEATURE_FLAGS_FILE": str(folder / "feature_flags"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            # The script then becomes the node itself instead of waiting for it: our child is the node.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def start(self, timeout_s: float = 60) -> None:
        """Start (7 to 9 s) and wait until it takes connections. Running: does nothing.

        Raises:
            EngineError: it did not come up; the message has the log's last lines.
        """
        if self.pid is not None:
            return
        self.prepare()
        self.spawn()
        wait_until(lambda: self.is_ready() or self.pid is None, timeout_s, step_s=0.1)
        if not self.is_ready():
            how = f"did not start within {timeout_s:g} s" if self.pid else "stopped at its start"
            self.kill()
            self._stop_epmd()
            raise EngineError(f"RabbitMQ {how}. The end of {self.log}:\n{log_tail(self.log)}")

    def prepare(self) -> None:
        """Write the node's files; end what an earlier start left behind (see `notes`)."""
        # A node whose supervisor was killed is already on its way out.
        if self._old_processes() and not wait_until(lambda: not self._old_processes(), 5, step_s=0.1):
            self.notes.append("an older RabbitMQ node still ran and was stopped")
            signal_all(self._old_processes(), signal.SIGKILL)
            wait_until(lambda: not self._old_processes(), 5)
        for name in ("mnesia", "log", "generated"):
            private_folder(self.folder / name)
        (self.folder / "enabled_plugins").write_text("[].\n")
        definitions = self.folder / "definitions.json"
        definitions.touch(mode=0o600)
        definitions.write_text(json.dumps(self.definitions()))
        config = (
            f"listeners.tcp.local = {LOOPBACK}:{self.port}\n"
            "load_definitions = definitions.json\n"  # from the working folder: the path may hold any character
            "loopback_users.guest = true\n"
            "disk_free_limit.absolute = 200MB\n"
            "cluster_formation.peer_discovery_backend = classic_config\n"
            "log.console.level = info\n"
        )
        (self.folder / "rabbitmq.conf").write_text(config)

    def definitions(self) -> dict[str, Any]:
        """What the node loads at its start: the virtual host and the users."""
        guest = {"guest": "guest"} if self._guest else {}
        return rabbitmq_users.definitions({self.user: self.password, **guest}, administrators=[self.user])

    def _old_processes(self) -> list[int]:
        ours = {self.pid, self._epmd_process.pid if self._epmd_process else None}
        names = ("beam", "epmd", "erl")
        return [pid for pid in running_in(self.folder) if pid not in ours and name_of(pid).startswith(names)]

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the node (and its epmd) without waiting; both end when the calling thread ends."""
        if self._epmd_process is None or self._epmd_process.poll() is not None:
            # Started by us, so that it is ours to stop: the one that a node starts outlives it.
            command = [str(_epmd()), "-port", str(self.epmd_port), "-address", LOOPBACK]
            self._epmd_process = spawn(command, cwd=self.folder, env=self.environment, log=self.log)
            wait_until(lambda: not _is_free(self.epmd_port), 5)
        self._has_answered = False
        self.process = spawn(
            [str((scripts() or Path()) / "rabbitmq-server")],
            cwd=self.folder,
            env=self.environment,
            log=self.log,
            death_signal=signal.SIGTERM,  # which the node takes for an orderly stop
        )
        return self.process

    def is_ready(self) -> bool:
        """Whether it answers an AMQP greeting: its port opens last, when users and queues are there."""
        if self.pid is None:
            return False
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1) as connection:
                connection.sendall(_AMQP_GREETING)
                answers = connection.recv(1) == b"\x01"  # a method frame: Connection.Start
                self._has_answered |= answers
                return answers
        except OSError:
            return False

    def busy_with(self) -> str:
        """It is "starting" until it has answered; empty afterwards: its stop is quick, or hangs."""
        return "starting" if self.pid is not None and not self._has_answered else ""

    def ctl(self, *arguments: str, timeout_s: float = 60) -> str:
        """Run `rabbitmqctl` on this node and return what it printed.

        Raises:
            EngineError: it failed; the message has what it said.
        """
        command = [str((scripts() or Path()) / "rabbitmqctl"), "-n", self.node_name, *arguments]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if done.returncode != 0:
            raise EngineError(f"rabbitmqctl {arguments[0]}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def stop(self, timeout_s: float = 30) -> None:
        """Stop in order: messages are on disk; then its epmd. Not running: does nothing."""
        if self.process is not None:
            if self.process.poll() is None:
                self.resume()
                self.process.terminate()
                if not wait_until(lambda: self.pid is None, timeout_s):
                    self.kill()
            if self.process is not None:
                self.process.wait()
            self.process = None
        self._stop_epmd()

    def kill(self) -> None:
        """As kill -9 of the node: durable messages come back at the next start. Its epmd stays for that."""
        if self.process is None:
            return
        signal_all(tree(self.process.pid), signal.SIGKILL)
        self.process.wait()
        self.process = None

    def _stop_epmd(self) -> None:
        if self._epmd_process is not None:
            self._epmd_process.kill()
            self._epmd_process.wait()
            self._epmd_process = None

    def close(self) -> None:
        """Stop, for good; the same shape as PostgresNode's."""
        self.stop()
        self._alias.close()

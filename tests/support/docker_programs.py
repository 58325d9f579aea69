"""Programs that answer as Docker and Compose do: a plugin of version 2, and docker-compose 1.29.2."""

from __future__ import annotations

from pathlib import Path

WARNING = (
    r'time="2026-11-27T17:33:33Z" level=warning msg="The \"def\" variable is not set. Defaulting to a blank string."'
)
V2 = """\
name: project
services:
  asked:
    environment:
      HOST: ""
      HTTP_PORT: 127.0.0.1:8080
      ML_WORKERS: "4"
      MODE: production
      NGINX_IMAGE: registry.example:5000/nginx@sha256:0f
      POSTGRES_IMAGE: ""
      PYTHON_IMAGE: ""
      RABBITMQ_IMAGE: ""
      RABBITMQ_UI_PORT: ""
    image: asked
    networks:
      default: null
networks:
  default:
    name: project_default
"""
V1 = """\
services:
  asked:
    environment:
      HOST: ''
      HTTP_PORT: '[::1]:8080'
      ML_WORKERS: '4'
      MODE: production
      NGINX_IMAGE: registry.example:5000/nginx@sha256:0f
      POSTGRES_IMAGE: ''
      PYTHON_IMAGE: ''
      RABBITMQ_IMAGE: ''
      RABBITMQ_UI_PORT: ''
    image: asked
version: '3.9'

"""
V1_HELP = """\
Validate and view the Compose file.

Usage: config [options]

Options:
    --resolve-image-digests  Pin image tags to digests.
    --no-interpolate         Don't interpolate environment variables.
    -q, --quiet              Only validate the configuration, don't print
                             anything.
    --profiles               Print the profile names, one per line.
    --services               Print the service names, one per line.
    --volumes                Print the volume names, one per line.
"""


class Programs:
    """Small programs that are found first on the PATH; each does what its lines of shell say."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, script: str) -> None:
        file = self.folder / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def plugin(self, answer: str, *, warning: str = WARNING, code: int = 0) -> None:
        """Compose v2, which answers this to `config`."""
        (self.folder / "answer").write_text(answer)
        (self.folder / "warning").write_text(warning)
        self.write(
            "docker",
            f'[ "$*" = "compose version" ] && exit\n[ "$*" = "compose -f - config" ] || exit 9\n'
            f"cat {self.folder}/warning >&2\ncat {self.folder}/answer\nexit {code}",
        )

    def old_compose(self, answer: str) -> None:
        """docker-compose 1.29.2, which answers an option that it does not know with a help text."""
        (self.folder / "answer").write_text(answer)
        (self.folder / "help").write_text(V1_HELP)
        self.write("docker", "echo \"docker: 'compose' is not a docker command.\" >&2\nexit 1")
        self.write(
            "docker-compose",
            f'case "$*" in\nversion) ;;\n*--format*) cat {self.folder}/help >&2; exit 1 ;;\n'
            f'"-f - config") cat {self.folder}/answer ;;\n*) exit 9 ;;\nesac',
        )

"""These tests run nginx with the settings that the containers have."""

from __future__ import annotations

import re

from engine.common.state import ROOT
from tests.support.nginx import SETTINGS


def test_the_settings_are_those_of_the_compose_file() -> None:
    text = (ROOT / "docker-compose.yaml").read_text()
    found = dict(re.findall(r"^ {6}(NGINX_\w+): +(\S*)", text, re.MULTILINE))
    defaults = {name: re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", value) for name, value in found.items()}
    here = {"NGINX_RESOLVER", "NGINX_APP"}
    assert {name: value for name, value in defaults.items() if name not in here} == SETTINGS
    template = (ROOT / "services/nginx/templates/settings.conf.template").read_text()
    scripts = {"NGINX_INSIDE_NETWORKS", "NGINX_TRUSTED_PROXIES", "NGINX_BODY_BYTES_MAX"}  # write these themselves
    assert set(re.findall(r"\$\{(\w+)\}", template)) == defaults.keys() - scripts

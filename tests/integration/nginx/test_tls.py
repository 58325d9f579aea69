"""The example for HTTPS, and that nginx likes both configurations."""

from __future__ import annotations

import re
import shutil
import ssl
import subprocess
from pathlib import Path

import httpx2
import pytest

from tests.support.nginx import CONFIGURATION, FIRST, SETTINGS, Door, OpenDoor
from tests.support.nodes import skip_or_fail
from tests.support.service import code_of


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate for 127.0.0.1 that is signed by itself."""
    if shutil.which("openssl") is None:
        skip_or_fail("openssl is not installed here: apt-get install openssl")
    folder = tmp_path_factory.mktemp("certificates")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
        " -addext subjectAltName=IP:127.0.0.1 -keyout privkey.pem -out fullchain.pem"
    )
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return folder


def over_tls(door: Door, certificate: Path, version: ssl.TLSVersion | None = None) -> httpx2.Client:
    context = ssl.create_default_context(cafile=str(certificate / "fullchain.pem"))
    if version:
        context.minimum_version = context.maximum_version = version
    return httpx2.Client(base_url=f"https://127.0.0.1:{door.tls_port}", verify=context, timeout=20)


def test_https_is_as_http_and_says_that_it_stays(open_door: OpenDoor, certificate: Path) -> None:
    expected = {"/models": 200, "/balance": 401, "/web/docs/init.js": 200, "/" + "a" * 9000: 414}
    with open_door(FIRST, NGINX_SITE="tls", files={"certificates": certificate}) as door:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with over_tls(door, certificate, version) as client:
                for path, status in expected.items():
                    answer = client.get(path)
                    assert answer.status_code == status
                    assert answer.headers.get_list("strict-transport-security") == ["max-age=63072000"]
                    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
                    assert door.logged(answer.headers["x-request-id"])["status"] == status


def test_the_pages_cookie_is_secure_over_https_only(door: Door, open_door: OpenDoor, certificate: Path) -> None:
    credentials = {"username": "test", "password": "test"}
    tls = open_door(FIRST, NGINX_SITE="tls", files={"certificates": certificate})
    with tls as safe, over_tls(safe, certificate) as client:
        origin = {"Origin": f"https://127.0.0.1:{safe.tls_port}"}
        signed_in = client.post("/session", json=credentials, headers={"Sec-Fetch-Site": "same-origin"})
        assert signed_in.status_code == 200
        assert "; secure" in signed_in.headers["set-cookie"].lower()
        assert client.post("/session/refresh", headers=origin).status_code == 200  # Host has its port
        elsewhere = {"Origin": f"https://127.0.0.1:{safe.tls_port + 1}"}
        assert code_of(client.post("/session/refresh", headers=elsewhere)) == (403, "cross_origin")
    with door.client() as client:
        headers = {"Sec-Fetch-Site": "same-origin", "X-Forwarded-Proto": "https"}  # nginx says what it was
        plain = client.post("/session", json=credentials, headers=headers)
        assert plain.status_code == 200
        assert "secure" not in plain.headers["set-cookie"].lower()


def test_http_leads_to_https_but_for_challenges(open_door: OpenDoor, certificate: Path) -> None:
    with open_door(FIRST, NGINX_SITE="tls", files={"certificates": certificate}) as door, door.client() as client:
        moved = client.post("/predictions?limit=1")
        assert (moved.status_code, moved.headers["location"]) == (308, "https://127.0.0.1/predictions?limit=1")
        assert "strict-transport-security" not in moved.headers
        challenges = door.files / "challenges" / ".well-known" / "acme-challenge"
        challenges.mkdir(parents=True)
        (challenges / "token").write_text("proof")
        assert client.get("/.well-known/acme-challenge/token").text == "proof"
        assert code_of(client.get("/.well-known/acme-challenge/other")) == (404, "not_found")
        assert client.get("/nginx-health").status_code == 204


@pytest.mark.parametrize("site", ["plain", "tls"])
def test_nginx_finds_nothing_to_complain_of(open_door: OpenDoor, certificate: Path, site: str) -> None:
    with open_door(FIRST, NGINX_SITE=site, files={"certificates": certificate}) as door:
        tested = subprocess.run(door.command("-t"), capture_output=True, text=True, check=True)
        assert not [line for line in (tested.stderr + door.errors()).splitlines() if "warn" in line or "emerg" in line]


def test_every_setting_of_the_template_is_set() -> None:
    template = (CONFIGURATION / "templates" / "settings.conf.template").read_text()
    scripts = {"NGINX_INSIDE_NETWORKS", "NGINX_TRUSTED_PROXIES", "NGINX_BODY_BYTES_MAX"}
    named = set(re.findall(r"\$\{(\w+)\}", template)) | scripts
    assert named == {*SETTINGS, "NGINX_APP", "NGINX_RESOLVER"}
    assert "${" not in "".join(path.read_text() for path in CONFIGURATION.glob("*.conf*"))

"""The page and its files, without a byte from elsewhere. In containers nginx serves them (services/nginx)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from services.app.http.files import File, Files
from services.app.http.headers import API_POLICY, DOCS_POLICY, KEPT_AND_ASKED_FOR_AGAIN, KEPT_FOR_GOOD, PAGE_POLICY

FOLDER = Path(__file__).parent.parent / "web"

_NAMED_BY_CONTENT = re.compile(r".*[.-][0-9a-f]{8,64}\.[a-z0-9]+")
_QUALITY = re.compile(r"[01](\.[0-9]{0,3})?")
_GZIP_REFUSED = re.compile(r"q=0(\.0*)?")


def routes(folder: Path) -> list[BaseRoute]:
    """`/` and the views below `/app`, `/docs`, and the files of ``folder`` below `/web`."""
    files = Files(folder)

    def shows(name: str, policy: str) -> Callable[[Request], Awaitable[Response]]:
        async def show(request: Request) -> Response:
            return _answer(request, await files.find(name), policy, KEPT_AND_ASKED_FOR_AGAIN)

        return show

    async def file(request: Request) -> Response:
        name: str = request.path_params["name"]
        found = None if name.endswith(".html") else await files.find(name)
        kept = KEPT_FOR_GOOD if _NAMED_BY_CONTENT.fullmatch(name) else KEPT_AND_ASKED_FOR_AGAIN
        return _answer(request, found, API_POLICY, kept)

    page = shows("index.html", PAGE_POLICY)
    return [
        *(Route(path, page, include_in_schema=False) for path in ("/", "/app", "/app/{view:path}")),
        Route("/docs", shows("docs/index.html", DOCS_POLICY), include_in_schema=False),
        Route("/web/{name:path}", file, include_in_schema=False),
    ]


def unknown(folder: Path, otherwise: ASGIApp) -> ASGIApp:
    """Answers for an address that nothing has: to a browser with the page, which says so, to others ``otherwise``."""
    files = Files(folder)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET":
            request = Request(scope, receive)
            if _prefers_html(request.headers.get("accept", "")):
                page = await files.find("index.html")
                found = _answer(request, page, PAGE_POLICY, "no-store", HTTPStatus.NOT_FOUND)
                await found(scope, receive, send)
                return
        await otherwise(scope, receive, send)

    return answer


def _prefers_html(accepted: str) -> bool:
    """Whether HTML is named, and nothing in JSON is wanted as much."""
    wanted = {"html": 0.0, "json": 0.0}
    for part in accepted.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        quality = next((one[2:] for one in parameters if one.startswith("q=")), "1")
        kind = "html" if name == "text/html" else "json" if name.endswith(("/json", "+json")) else None
        if kind and _QUALITY.fullmatch(quality):
            wanted[kind] = max(wanted[kind], float(quality))
    return wanted["html"] > wanted["json"]


def _answer(
    request: Request, file: File | None, policy: str, kept: str, status: HTTPStatus = HTTPStatus.OK
) -> Response:
    if file is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    packed = file.packed if _takes_gzip(request.headers.get("accept-encoding", "")) else None
    tag = f'"{file.tag}"' if packed is None else f'"{file.tag}-gzip"'
    headers = {"Content-Security-Policy": policy, "Cache-Control": kept, "ETag": tag}
    if file.packed is not None:
        headers["Vary"] = "Accept-Encoding"
    if status is HTTPStatus.OK and tag in re.findall(r'"[^"]*"', request.headers.get("if-none-match", "")):
        return Response(None, HTTPStatus.NOT_MODIFIED, headers)
    headers["Content-Type"] = file.media_type
    if packed is not None:
        headers["Content-Encoding"] = "gzip"
    return Response(file.content if packed is None else packed, status, headers)


def _takes_gzip(accepted: str) -> bool:
    for part in accepted.lower().split(","):
        name, _, quality = part.partition(";")
        if name.strip() == "gzip":
            return not _GZIP_REFUSED.fullmatch(quality.strip())
    return False

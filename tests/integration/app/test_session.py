"""The page's sign-in: a cookie that is of no use to anybody but the page (SECURITY 4, 15 and 29)."""

from __future__ import annotations

import asyncio
from http.cookies import SimpleCookie
from typing import Any

import httpx2
import pytest

from ml_service.domain.errors import DatabaseUnavailable
from tests.support.service import PASSWORD, Service, StartService, code_of

PAGE = {"Sec-Fetch-Site": "same-origin", "Origin": "http://app"}
NAME = "ml_service_session"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CROSS_ORIGIN: list[dict[str, str]] = [
    {},
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://other.app"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://app"},
    {"Origin": "https://evil.example"},
    {"Origin": "http://app.evil.example"},
    {"Origin": "http://app:8000"},
    {"Origin": "http://app@evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://app:port"},
    {"Origin": "app"},
    {"Referer": "http://app/"},
]


class BrowserPage:
    """A browser's tab: keeps the cookie by hand, so that each test sees what is sent."""

    def __init__(self, service: Service, cookie: str = "") -> None:
        self.client = service.client
        self.cookie = cookie

    async def ask(self, method: str, path: str, headers: dict[str, str] = PAGE, **options: Any) -> httpx2.Response:
        self.client.cookies.clear()
        sent = {
            name: value.encode("latin-1")
            for name, value in ({"Cookie": self.cookie} | headers).items()
            if value or name != "Cookie"
        }
        answer = await self.client.request(method, path, headers=sent, **options)
        self.client.cookies.clear()
        if line := answer.headers.get("set-cookie"):
            [(name, morsel)] = SimpleCookie(line).items()
            self.cookie = f"{name}={morsel.value}" if morsel.value else ""
        return answer

    async def sign_in(self, username: str = "anna", **options: Any) -> httpx2.Response:
        return await self.ask("POST", "/session", json={"username": username, "password": PASSWORD}, **options)


@pytest.fixture
async def page(service: Service) -> BrowserPage:
    await service.join("anna")
    return BrowserPage(service)


def bearer(answer: httpx2.Response) -> dict[str, str]:
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def test_the_page_signs_in_renews_and_signs_out(service: Service, page: BrowserPage) -> None:
    signed_in = await page.sign_in()
    assert signed_in.status_code == 200, signed_in.text
    body = signed_in.json()
    assert (body["token_type"], body["expires_in"]) == ("bearer", 900)
    assert body["user"] == (await service.client.get("/users/me", headers=bearer(signed_in))).json()
    assert "refresh_token" not in body
    assert signed_in.headers["cache-control"] == "no-store"
    old = page.cookie
    renewed = await page.ask("POST", "/session/refresh")
    assert renewed.status_code == 200, renewed.text
    assert renewed.json()["user"] == body["user"]
    assert page.cookie != old
    assert (await service.client.get("/balance", headers=bearer(renewed))).status_code == 200
    gone = await page.ask("DELETE", "/session")
    assert (gone.status_code, gone.content, page.cookie) == (204, b"", "")
    for answer in (signed_in, renewed):
        refused = await service.client.get("/balance", headers=bearer(answer))
        assert code_of(refused) == (401, "unauthenticated")
    assert code_of(await page.ask("POST", "/session/refresh")) == (401, "unauthenticated")
    assert (await page.ask("DELETE", "/session")).status_code == 204


async def test_the_cookie_is_for_the_session_alone_and_for_no_script(page: BrowserPage) -> None:
    for answer in (await page.sign_in(), await page.ask("POST", "/session/refresh")):
        [(name, cookie)] = SimpleCookie(answer.headers["set-cookie"]).items()
        assert name == NAME
        assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == ("/session", True, "strict")
        assert (cookie["domain"], cookie["secure"], cookie["max-age"]) == ("", "", str(30 * 86400))


async def test_the_cookie_is_secure_where_the_page_came_by_https(start_service: StartService) -> None:
    async with start_service(trusted_proxies="192.0.2.0/24", root_path="/ml") as service:
        await service.join("anna")
        assert (await service.client.get("/openapi.json")).json()["servers"] == [{"url": "/ml"}]
        page = BrowserPage(service)
        for headers, expected in [
            (PAGE | {"X-Forwarded-Proto": "https"}, True),
            (PAGE | {"X-Forwarded-Proto": "http"}, ""),
            (PAGE, ""),
            ({"Origin": "https://app", "X-Forwarded-Proto": "http"}, True),  # what the browser says of its page
        ]:
            for answer in (await page.sign_in(headers=headers), await page.ask("DELETE", "/session", headers)):
                cookie = SimpleCookie(answer.headers["set-cookie"])[NAME]
                assert (cookie["secure"], cookie["path"]) == (expected, "/ml/session"), headers
    async with start_service() as service:
        answer = await BrowserPage(service).sign_in(headers=PAGE | {"X-Forwarded-Proto": "https"})
        assert SimpleCookie(answer.headers["set-cookie"])[NAME]["secure"] == ""  # a stranger's word


async def test_the_cookie_is_useless_from_elsewhere(page: BrowserPage) -> None:
    await page.sign_in()
    cookie = page.cookie
    for headers in CROSS_ORIGIN:
        for method, path in (("POST", "/session/refresh"), ("DELETE", "/session")):
            answer = await page.ask(method, path, headers)
            assert code_of(answer) == (403, "cross_origin"), (method, path, headers)
            assert "set-cookie" not in answer.headers
        assert code_of(await page.sign_in(headers=headers)) == (403, "cross_origin"), headers
        assert page.cookie == cookie
    assert (await page.ask("POST", "/session/refresh")).status_code == 200


SAME_ORIGIN = [
    {"Sec-Fetch-Site": "same-origin"},
    {"Origin": "http://app"},
    {"Origin": "https://APP"},
    {"Origin": "http://localhost:8000", "Host": "localhost:8000"},
    {"Origin": "http://[::1]:8000", "Host": "[::1]:8000"},
    {"Origin": "https://app:443"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://outside.example"},  # a proxy has put its own Host there
]


async def test_a_page_of_our_own_is_known_by_what_its_browser_says(page: BrowserPage) -> None:
    for headers in SAME_ORIGIN:
        assert (await page.sign_in(headers=headers)).status_code == 200, headers


async def test_content_types_that_a_form_can_send_are_refused(page: BrowserPage) -> None:
    body = b'{"username": "anna", "password": "a quiet green river"}'
    forms = [
        PAGE | {"Content-Type": one}
        for one in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "")
    ]
    for headers in forms:
        refused = await page.ask("POST", "/session", headers, content=body)
        assert code_of(refused) == (415, "unsupported_media_type"), headers
    await page.sign_in()
    for headers in forms:
        for method, path in (("POST", "/session/refresh"), ("DELETE", "/session")):
            refused = await page.ask(method, path, headers, content=b"a=b")
            assert code_of(refused) == (415, "unsupported_media_type"), (method, headers)
    from_elsewhere = FORM | {"Origin": "https://evil.example"}
    assert code_of(await page.ask("POST", "/session/refresh", from_elsewhere)) == (403, "cross_origin")
    assert (await page.ask("POST", "/session/refresh")).status_code == 200


async def test_origins_that_may_ask_the_api_get_no_session(start_service: StartService) -> None:
    async with start_service(cors_origins="https://friend.example") as service:
        await service.join("anna")
        page = BrowserPage(service)
        await page.sign_in()
        friend = {"Origin": "https://friend.example", "Sec-Fetch-Site": "cross-site"}
        for method, path in (("POST", "/session/refresh"), ("DELETE", "/session")):
            answer = await page.ask(method, path, friend)
            assert code_of(answer) == (403, "cross_origin")
            assert "access-control-allow-credentials" not in answer.headers
        assert code_of(await page.sign_in(headers=friend)) == (403, "cross_origin")


async def test_reading_changes_nothing_and_the_cookie_opens_nothing_else(service: Service, page: BrowserPage) -> None:
    await page.sign_in()
    for path in ("/session", "/session/refresh"):
        assert code_of(await page.ask("GET", path)) == (405, "method_not_allowed")
    for path in ("/users/me", "/balance", "/predictions"):
        assert code_of(await page.ask("GET", path)) == (401, "unauthenticated")
    refresh_token = page.cookie.partition("=")[2]
    as_access = await service.client.get("/balance", headers={"Authorization": f"Bearer {refresh_token}"})
    assert code_of(as_access) == (401, "unauthenticated")


async def test_a_replayed_cookie_ends_the_session(service: Service, page: BrowserPage) -> None:
    await page.sign_in()
    stolen = BrowserPage(service, page.cookie)
    renewed = await page.ask("POST", "/session/refresh")
    assert code_of(await stolen.ask("POST", "/session/refresh")) == (401, "unauthenticated")
    assert stolen.cookie == ""
    assert code_of(await page.ask("POST", "/session/refresh")) == (401, "unauthenticated")
    assert code_of(await service.client.get("/balance", headers=bearer(renewed))) == (401, "unauthenticated")


async def test_twenty_renewals_at_once_succeed_at_most_once(service: Service, page: BrowserPage) -> None:
    await page.sign_in()
    headers = PAGE | {"Cookie": page.cookie}
    answers = await asyncio.gather(*(service.client.post("/session/refresh", headers=headers) for _ in range(20)))
    service.client.cookies.clear()
    assert sum(answer.status_code == 200 for answer in answers) <= 1


async def test_a_cookie_that_is_none_of_ours_is_answered_like_a_missing_one(page: BrowserPage) -> None:
    for value in ("", "x", "a.b", "00", "é", '"', "0" * 8000):
        page.cookie = f"{NAME}={value}"
        assert code_of(await page.ask("POST", "/session/refresh")) == (401, "unauthenticated"), value
        page.cookie = f"{NAME}={value}"
        assert (await page.ask("DELETE", "/session")).status_code == 204, value


async def test_of_two_cookies_none_counts(page: BrowserPage) -> None:
    await page.sign_in()
    mine = page.cookie
    page.cookie = f"{mine}; {NAME}=a-neighbors"
    assert code_of(await page.ask("POST", "/session/refresh")) == (401, "unauthenticated")
    page.cookie = f"other=1; {mine}; x"
    assert (await page.ask("POST", "/session/refresh")).status_code == 200


async def test_both_ways_to_sign_in_share_their_limits(service: Service, page: BrowserPage) -> None:
    wrong = {"username": "anna", "password": "wrong"}
    for _ in range(3):
        assert code_of(await page.ask("POST", "/session", json=wrong)) == (401, "wrong_credentials")
    for _ in range(2):
        assert (await service.client.post("/token", data=wrong)).status_code == 401
    closed = await page.sign_in()
    assert code_of(closed) == (429, "too_many_requests")
    assert "set-cookie" not in closed.headers


async def test_a_session_of_the_page_ends_with_a_new_password(service: Service, page: BrowserPage) -> None:
    signed_in = await page.sign_in()
    change = {"old_password": PASSWORD, "new_password": "another green river"}
    changed = await service.client.post("/users/me/password", json=change, headers=bearer(signed_in))
    assert changed.status_code == 200
    assert code_of(await page.ask("POST", "/session/refresh")) == (401, "unauthenticated")


async def test_anybody_sees_what_the_service_is(service: Service, start_service: StartService) -> None:
    answer = await service.client.get("/service")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=60"
    assert answer.json() == {
        "name": "ML Service",
        "version": "0.1.0",
        "mode": "demo",
        "registration": "open",
        "starting_credits": 100,
        "default_model": "echo",
        "telegram_bot": None,
        "limits": {"batch_max": 1000, "body_bytes_max": 2_000_000},
    }
    async with service.database.autocommit() as session:
        await session.execute("INSERT INTO telegram_bots (bot_id, username) VALUES (1, 'the_bot')")
    assert (await service.client.get("/service")).json()["telegram_bot"] == "the_bot"
    async with start_service(mode="production", registration="closed", bot_username="@mine") as other:
        shown = (await other.client.get("/service")).json()
        assert (shown["mode"], shown["registration"], shown["starting_credits"]) == ("production", "closed", 0)
        assert shown["telegram_bot"] == "mine"
        new = {"username": "late", "password": PASSWORD}
        assert code_of(await other.client.post("/users", json=new)) == (403, "permission_denied")


async def test_what_is_asked_on_the_page_is_of_the_source_web(service: Service, page: BrowserPage) -> None:
    signed_in = await page.sign_in()
    renewed = await page.ask("POST", "/session/refresh")
    anna = await service.sign_in("anna")
    ask = {"model": "echo", "text": "hello"}
    for headers, source in ((bearer(signed_in), "web"), (bearer(renewed), "web"), (anna.headers, "api")):
        one = await service.client.post("/predictions/predict", json=ask, headers=headers)
        batch = await service.client.post("/predictions/batch", json={"items": [ask]}, headers=headers)
        again = await service.client.post(f"/predictions/{one.json()['id']}/repeat", json={}, headers=headers)
        for answer in (one, batch, again):
            assert answer.status_code == 202, answer.text
        assert [answer.json()["source"] for answer in (one, again)] == [source, source]
    found = await anna.get("/predictions?source=web")
    assert len(found.json()["items"]) == 6


async def test_a_key_means_the_same_on_the_page_and_in_the_api(service: Service, page: BrowserPage) -> None:
    signed_in, anna = await page.sign_in(), await service.sign_in("anna")
    ask = {"model": "echo", "text": "hello"}
    answers = [
        await service.client.post("/predictions/predict", json=ask, headers={**headers, "Idempotency-Key": "one"})
        for headers in (bearer(signed_in), anna.headers)
    ]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert answers[1].headers["idempotent-replayed"] == "true"


async def test_a_renewal_whose_answer_cannot_be_given_keeps_the_page_signed_in(
    service: Service, page: BrowserPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await page.sign_in()

    async def away(_self: object, _token: str) -> None:
        raise DatabaseUnavailable("The database does not answer at the moment.")

    with monkeypatch.context() as patch:
        patch.setattr(type(service.components.access), "check", away)
        assert code_of(await page.ask("POST", "/session/refresh"))[0] == 503
    assert (await page.ask("POST", "/session/refresh")).status_code == 200

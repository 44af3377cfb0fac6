"""Browser sessions: the page, the link, the cookie."""

from __future__ import annotations

import re
import time
from typing import Any

import httpx
import pytest

from rota.api import gate
from rota.api.failures import TRIES
from rota.api.sessions import Sessions
from rota.errors import DatabaseError
from rota.local_token import ensure_local_token, new_login_code
from rota.settings import load_settings
from rota.store import ended_sessions
from rota.store.database import Database
from tests.api.calls import SECRET, Api, good, problem, settings_of, signed

ORIGIN = {"Origin": "http://localhost"}


@pytest.fixture
def local(lite: Database, sqlite_url: str) -> Any:
    """The API with nothing configured: the local token is the way in."""
    api = Api(lite, load_settings({"ROTA_DATABASE_URL": sqlite_url}))
    yield api
    api.close()


async def log_in(client: httpx.AsyncClient, token: str = SECRET, **fields: str) -> httpx.Response:
    return await client.post("/login", data={"token": token, **fields}, headers=ORIGIN)


async def test_the_page_has_one_field_labelled_token(small: Api) -> None:
    async with small.client(None) as client:
        page = await client.get("/login")
    assert page.status_code == 200
    assert re.findall(r"<label[^>]*>([^<]*)</label>", page.text) == ["Token"]
    (field,) = re.findall(r"<input (?![^>]*hidden)[^>]*>", page.text)
    assert 'id="token"' in field
    assert 'type="password"' in field
    assert '<button type="submit">' in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "<script" not in page.text


async def test_logs_in_and_out(small: Api) -> None:
    async with small.client(None) as client:
        answer = await log_in(client)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
        assert "Secure" not in cookie
        assert SECRET not in cookie
        assert good(await client.get("/api/me"))["role"] == "admin"
        assert (await client.get("/", headers={"Accept": "text/html"})).status_code == 200
        assert (await client.post("/logout", headers=ORIGIN)).status_code == 204
        problem(await client.get("/api/me"), 401)


@pytest.mark.parametrize("other", ['prefs={"a":1}', "x=a b", 'y="', "no-name", "=", "a[1]=é"])
async def test_cookies_of_others_are_none_of_its_business(api: Api, other: str) -> None:
    async with api.client(None) as client:
        own = (await log_in(client)).headers["set-cookie"].partition(";")[0]
    async with api.client(None) as client:
        for given in (f"{other}; {own}", f"{own}; {other}"):
            assert good(await client.get("/api/me", headers={b"Cookie": given.encode()}))["role"] == "admin", given


async def test_the_cookie_is_secure_on_https_and_of_the_root_path(lite: Database, sqlite_url: str) -> None:
    api = Api(lite, settings_of(sqlite_url, ROTA_ROOT_PATH="/scheduler"))
    async with api.client(None) as client:
        answer = await client.post("https://localhost/scheduler/login", data={"token": SECRET})
    assert {"Secure", "Path=/scheduler"} <= set(answer.headers["set-cookie"].split("; "))
    assert answer.headers["location"] == "/scheduler/"
    api.close()


async def test_programs_may_send_json(small: Api) -> None:
    async with small.client(None) as client:
        found = good(await client.post("/login", json={"token": signed("viewer")}))
        assert found == {"subject": "ann", "role": "viewer", "source": "signed"}
        assert good(await client.get("/api/me"))["role"] == "viewer"
    async with small.client(None) as client:
        assert problem(await client.post("/login", json={"tokem": "x"}), 422)["field"] == "tokem"


async def test_a_wrong_token_says_so(small: Api) -> None:
    async with small.client(None) as client:
        page = await log_in(client, "wrong")
        assert (page.status_code, "set-cookie" in page.headers) == (401, False)
        assert '<p class="error" role="alert">Invalid token.</p>' in page.text
        assert problem(await client.post("/login", json={"token": "wrong"}), 401)["detail"] == "Invalid token"
        page = await log_in(client, signed("king"))
        assert (page.status_code, "set-cookie" in page.headers) == (403, False)


async def test_many_wrong_tokens_are_too_many(small: Api) -> None:
    async with small.client(None) as client:
        for _ in range(TRIES):
            assert (await log_in(client, "wrong")).status_code == 401
        page = await log_in(client)
        assert page.status_code == 429
        assert 0 < int(page.headers["retry-after"]) <= 61
        assert problem(await client.post("/login", json={"token": SECRET}), 429)["code"] == "too-many-logins"
    async with small.client() as client:
        good(await client.get("/api/me"))


@pytest.mark.parametrize(
    ("given", "led_to"),
    [
        ("/api/docs", "/api/docs"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/a\r\nSet-Cookie: x", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
async def test_leads_back_and_nowhere_else(small: Api, given: str, led_to: str) -> None:
    async with small.client(None) as client:
        assert (await log_in(client, next=given)).headers["location"] == led_to
        page = await client.get("/login", params={"next": given})
        assert f'name="next" value="{led_to if led_to != "/" else ""}"' in page.text


@pytest.mark.parametrize("path", ["/", "/api/docs"])
async def test_a_browser_without_a_session_is_led_to_the_login(small: Api, path: str) -> None:
    async with small.client(None, Accept="text/html,*/*") as client:
        answer = await client.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/login")
        problem(await client.get("/api/jobs"), 401)


# -- the link ---------------------------------------------------------------------------------------------------------


async def test_a_login_link_works_once(local: Api) -> None:
    code = new_login_code(ensure_local_token(local.settings.database_url))
    async with local.client(None) as client:
        answer = await client.get(f"/login?code={code}")
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        me = good(await client.get("/api/me"))
        assert "createToken" in me.pop("permissions")
        assert me == {"subject": "local", "role": "admin", "source": "local"}
    async with local.client(None) as other:
        again = await other.get(f"/login?code={code}")
        assert (again.status_code, "set-cookie" in again.headers) == (401, False)
        assert "This link was used or is too old." in again.text


async def test_a_link_works_once_in_all_processes(local: Api) -> None:
    code = new_login_code(ensure_local_token(local.settings.database_url))
    sister = Api(local.db, local.settings)
    async with local.client(None) as one, sister.client(None) as other:
        assert (await one.get(f"/login?code={code}")).status_code == 303
        assert (await other.get(f"/login?code={code}")).status_code == 401
    sister.close()


async def test_an_old_or_made_up_link_does_not_work(local: Api) -> None:
    old = new_login_code(ensure_local_token(local.settings.database_url), now_s=time.time() - 601)
    async with local.client(None) as client:
        for code in (old, "", "x", "1.2.3", new_login_code("rota_local_other")):
            assert (await client.get("/login", params={"code": code})).status_code == 401


async def test_there_are_no_links_where_a_secret_is_set(small: Api) -> None:
    async with small.client(None) as client:
        assert (await client.get(f"/login?code={new_login_code(SECRET)}")).status_code == 401


# -- the cookie -------------------------------------------------------------------------------------------------------


async def test_a_session_outlives_a_restart(small: Api) -> None:
    async with small.client(None) as client:
        await log_in(client)
        restarted = Api(small.db, small.settings)
        async with restarted.client(None) as again:
            again.cookies = client.cookies
            good(await again.get("/api/me"))
        restarted.close()


async def test_a_session_ends_with_the_secret_that_opened_it(small: Api, lite: Database, sqlite_url: str) -> None:
    changed = Api(lite, settings_of(sqlite_url, ROTA_AUTH_SECRET="another secret, as long as the first"))
    async with small.client(None) as client, changed.client(None) as again:
        await log_in(client)
        again.cookies = client.cookies
        problem(await again.get("/api/me"), 401)
    changed.close()


async def test_a_session_ends_with_its_api_token(small: Api, admin: httpx.AsyncClient) -> None:
    made = good(await admin.post("/api/tokens", json={"role": "operator"}), 201)
    async with small.client(None) as client:
        await log_in(client, made["token"])
        assert good(await client.get("/api/me"))["role"] == "operator"
        await admin.delete(f"/api/tokens/{made['id']}")
        assert problem(await client.get("/api/me"), 401)["detail"] == "Invalid token"


async def test_a_session_lasts_no_longer_than_its_token(small: Api) -> None:
    async with small.client(None) as client:
        answer = await log_in(client, signed("viewer", exp=int(time.time()) + 100))
    found = re.search(r"Max-Age=(\d+)", answer.headers["set-cookie"])
    assert found
    assert 0 < int(found[1]) <= 100


async def test_a_changed_cookie_is_none(small: Api) -> None:
    async with small.client(None) as client:
        await log_in(client)
        ((name, value),) = client.cookies.items()
        body, _, signature = value.partition(".")
        bad = [value[:-2], f"{body}.", f".{signature}", body, "", "x" * 5000, f"{body}.{signature}.x", "é", "a.b"]
        for one in bad:
            headers = {b"Cookie": f"{name}={one}".encode()}
            problem(await get_me(small, headers), 401)
        problem(await get_me(small, {b"Cookie": f"{name}".encode()}), 401)
        problem(await get_me(small, {b"Cookie": f"other={value}".encode()}), 401)


async def get_me(api: Api, headers: dict[bytes, bytes]) -> httpx.Response:
    async with api.client(None) as client:
        return await client.get("/api/me", headers=headers)


async def test_a_logout_ends_the_session_of_whom_the_gate_does_not_know(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with api.client(None) as client, api.client(None) as thief:
        await log_in(client)
        thief.cookies = httpx.Cookies(client.cookies)
        monkeypatch.setattr(gate, "OPEN_WAIT_S", 0.0)  # as if the database did not answer in time
        assert (await client.post("/logout", headers=ORIGIN)).status_code == 204
        assert not client.cookies
        problem(await thief.get("/api/me"), 401)


@pytest.mark.parametrize("accept", ["*/*", "text/html"])
async def test_a_logout_without_the_database_does_not_say_that_it_is_done(
    api: Api, monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    def refuse(*_: object) -> None:
        raise DatabaseError("gone")

    async with api.client(None, Accept=accept) as client:
        await log_in(client)
        monkeypatch.setattr(ended_sessions, "has", refuse)
        monkeypatch.setattr(ended_sessions, "add", refuse)
        answer = await client.post("/logout", headers=ORIGIN)
        assert problem(answer, 503)["code"] == "database-error"
        assert ("Max-Age=0" in answer.headers["set-cookie"], len(client.cookies)) == (True, 0)
        assert (await client.post("/logout", headers=ORIGIN)).status_code in (204, 303)  # there is no session here


def test_services_side_by_side_have_cookies_of_their_own() -> None:
    assert Sessions(["a"], root_path="").cookie != Sessions(["b"], root_path="").cookie
    assert Sessions([None], root_path="").cookie != Sessions([None], root_path="").cookie
    assert Sessions(["a", None], root_path="").cookie == Sessions(["a"], root_path="").cookie


async def test_who_logged_in_cannot_speak_for_others(small: Api, admin: httpx.AsyncClient) -> None:
    async with small.client(None) as client:
        await log_in(client)
        body = {"target": {"kind": "command", "command": ["true"]}, "startedBy": "bob"}
        made = good(await client.post("/api/jobs", json=body, headers=ORIGIN), 201)
        assert good(await admin.get(f"/api/jobs/{made['id']}"))["startedBy"] == "secret"

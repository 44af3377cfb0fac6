"""Login of browsers at an issuer: the whole way there and back, over real connections."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from rota.api.failures import TRIES
from rota.api.listen import check_listen
from rota.errors import SettingInvalid
from rota.settings import load_settings
from rota.store.database import Database
from tests.api.calls import COMMAND, SECRET, Api, good, settings_of
from tests.api.live import Live
from tests.support.issuer import DOWN, SigningKey
from tests.support.login_issuer import CLIENT, TOKEN_PATH, LoginIssuer, running_login_issuer
from tests.support.target import Answer


@pytest.fixture
def login_issuer() -> Iterator[LoginIssuer]:
    """An issuer at which people log in."""
    with running_login_issuer() as issuer:
        yield issuer


@pytest.fixture
def place(lite: Database, sqlite_url: str, login_issuer: LoginIssuer) -> Iterator[Api]:
    """The API with login at that issuer."""
    api = Api(lite, settings_of(sqlite_url, **login_issuer.settings()))
    yield api
    api.close()


def visit(address: str) -> str:
    """Do what a browser does at the issuer; where it is sent back to."""
    answer = httpx.get(address, trust_env=False)
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


def forward(page: httpx.Response) -> str:
    """Where a page sends its browser on."""
    (found,) = re.findall(r'<meta http-equiv="refresh" content="0; url=([^"]*)">', page.text)
    return html.unescape(found)


def sentence(page: httpx.Response) -> str:
    """What a page says of a login that failed."""
    assert page.headers["content-type"].startswith("text/html")
    assert "set-cookie" in page.headers and "rota_session" not in str(page.headers.get_list("set-cookie"))
    (found,) = re.findall(r'<p class="error" role="alert">([^<]*)</p>', page.text)
    return html.unescape(found)


async def come_back(client: httpx.AsyncClient, **query: str) -> httpx.Response:
    """Log in, and return what the service answers to the way back."""
    begun = await client.get("/login/oidc", params=query)
    assert begun.status_code == 303, begun.text
    return await client.get(visit(begun.headers["location"]))


def test_a_person_logs_in_over_real_connections(lite: Database, sqlite_url: str, login_issuer: LoginIssuer) -> None:
    settings = load_settings({"ROTA_DATABASE_URL": sqlite_url, "ROTA_PORT": "0", "ROTA_ROOT_PATH": "/jobs",
                              **login_issuer.settings()})  # fmt: skip
    with Live(lite, settings) as live, httpx.Client(trust_env=False, timeout=30) as browser:
        origin = f"http://127.0.0.1:{live.port}"
        page = browser.get(f"{live.url}/login?next=/api/docs")
        (link,) = re.findall(r'href="([^"]*)">Log in with ([^<]*)<', page.text)
        assert link == ("/jobs/login/oidc?next=/api/docs", urlsplit(login_issuer.name).netloc)
        begun = browser.get(origin + link[0])
        kept = begun.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=Lax", "Path=/jobs/login/oidc", "Max-Age=600"} <= set(kept.split("; "))
        asked = parse_qs(urlsplit(begun.headers["location"]).query)
        assert asked["redirect_uri"] == [f"{live.url}/login/oidc/callback"]
        assert asked["client_id"] == [CLIENT]
        assert asked["code_challenge"][0] not in kept and asked["nonce"][0] not in kept
        back = browser.get(visit(begun.headers["location"]))
        # A redirect would go on without the cookie, which is Strict; a page of our own does not.
        assert (back.status_code, forward(back)) == (200, "/jobs/api/docs")
        assert "default-src 'none'" in back.headers["content-security-policy"]
        session = next(one for one in back.headers.get_list("set-cookie") if one.startswith("rota_session"))
        assert {"HttpOnly", "SameSite=Strict", "Path=/jobs"} <= set(session.split("; "))
        assert browser.get(origin + forward(back)).status_code == 200
        me = good(browser.get(f"{live.url}/api/me"))
        assert (me["subject"], me["role"], me["source"]) == ("user_2abc123", "operator", "issuer")
        assert "rota_login" not in browser.cookies


async def test_what_a_person_does_is_of_the_person(place: Api) -> None:
    async with place.client() as admin, place.client(None, Origin="http://localhost") as browser:
        good(await admin.put("/api/job-types/crawl", json={"target": COMMAND}))
        assert (await come_back(browser)).status_code == 200
        made = good(await browser.post("/api/jobs", json={"jobType": "crawl", "startedBy": "bob"}), 201)
        assert good(await browser.get(f"/api/jobs/{made['id']}"))["startedBy"] == "user_2abc123"


async def test_a_public_client_and_one_that_posts_its_secret(
    lite: Database, sqlite_url: str, login_issuer: LoginIssuer
) -> None:
    login_issuer.methods = login_issuer.discovery["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    for secret in ("another secret", None):
        login_issuer.client_secret = secret
        api = Api(lite, settings_of(sqlite_url, **login_issuer.settings()))
        async with api.client(None) as browser:
            assert (await come_back(browser)).status_code == 200
        api.close()


async def test_the_role_is_that_of_the_claim_that_the_settings_name(
    lite: Database, sqlite_url: str, login_issuer: LoginIssuer
) -> None:
    login_issuer.person.claims = {"sub": "ann", "role": "viewer", "app": {"role": "admin"}}
    api = Api(lite, settings_of(sqlite_url, **login_issuer.settings(ROTA_AUTH_ROLE_CLAIM="app.role")))
    async with api.client(None) as browser:
        await come_back(browser)
        assert good(await browser.get("/api/me"))["role"] == "admin"
    api.close()


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "no role": ({"claims": {"sub": "ann"}}, 403, "names none of the roles"),
    "another role": ({"claims": {"sub": "ann", "role": "king"}}, 403, "names none of the roles"),
    "cancelled": ({"refuses": "access_denied"}, 401, "did not log you in: access denied."),
    "an odd error": ({"refuses": "<b>call us</b>"}, 401, "did not log you in: no code was given."),
    "another nonce": ({"claims": {"sub": "ann", "role": "admin", "nonce": "x"}}, 401, "its nonce is not of this login"),
    "no nonce": ({"claims": {"sub": "ann", "role": "admin", "nonce": None}}, 401, "its nonce is not of this login"),
    "another audience": ({"claims": {"sub": "a", "role": "admin", "aud": "other"}}, 401, "for another audience"),
    "another client": (
        {"claims": {"sub": "a", "role": "admin", "aud": [CLIENT, "x"], "azp": "x"}}, 401, "for another client",
    ),
    "another issuer": ({"claims": {"sub": "a", "role": "admin", "iss": "http://x"}}, 401, "of another issuer"),
    "expired": ({"claims": {"sub": "a", "role": "admin", "exp": 1}}, 401, "it has expired"),
    "another key": ({"key": SigningKey.make("rsa-1", number=7)}, 401, "its signature does not fit"),
    "an unknown key": ({"key": SigningKey.make("rsa-9")}, 401, "its key is none of the issuer"),
    "no subject": ({"claims": {"sub": None, "role": "admin"}}, 401, "it has no sub"),
    "no token": ({"token": "x.y.z"}, 401, "is not signed with RS256 or ES256"),
    "no answer": ({"trouble": DOWN}, 503, "does not answer as it should."),
    "an error": ({"trouble": Answer(500, "oops")}, 503, "does not answer as it should."),
    "garbage": ({"trouble": Answer(200, "<html>")}, 503, "does not answer as it should."),
    "refused": ({"trouble": Answer(400, {"error": "invalid_grant"})}, 401, "did not accept this login"),
    "no id token": ({"trouble": Answer(200, {"access_token": "x"})}, 401, "gave no proof of who you are."),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
async def test_who_is_not_proven_gets_one_calm_sentence(place: Api, login_issuer: LoginIssuer, kind: str) -> None:
    changes, status, said = REFUSED[kind]
    for name, value in changes.items():
        setattr(login_issuer.person, name, value)
    async with place.client(None) as browser:
        page = await come_back(browser)
        assert page.status_code == status
        assert said in sentence(page)
        assert "0900" not in page.text
        assert (await browser.get("/api/me")).status_code == 401


async def test_an_answer_belongs_to_the_browser_that_asked_and_counts_once(place: Api) -> None:
    async with place.client(None) as ann, place.client(None) as eve:
        back = visit((await ann.get("/login/oidc")).headers["location"])
        assert "begun elsewhere" in sentence(await eve.get(back))  # no cookie: somebody else's link
        await eve.get("/login/oidc")
        assert "another login" in sentence(await eve.get(back))  # a cookie of her own
        assert (await ann.get(back)).status_code == 200
        assert "begun elsewhere" in sentence(await ann.get(back))
        begun = await ann.get("/login/oidc")
        kept = ann.cookies["rota_login"]
        once = visit(begun.headers["location"])
        assert (await ann.get(once)).status_code == 200
        again = await ann.get(once, headers={"Cookie": f"rota_login={kept}"})
        assert "did not accept this login" in sentence(again)


async def test_a_cookie_that_is_not_ours_begins_nothing(place: Api) -> None:
    async with place.client(None) as browser:
        begun = await browser.get("/login/oidc")
        back = visit(begun.headers["location"])
        body, _, signature = browser.cookies["rota_login"].partition(".")
        browser.cookies.clear()
        for one in (f"{body}.", f".{signature}", body, f"{body[:-2]}.{signature}", "x" * 5000, "a.b"):
            page = await browser.get(back, headers={"Cookie": f"rota_login={one}"})
            assert "begun elsewhere" in sentence(page)
        answer = await ask_with_session(place, browser, f"{body}.{signature}")
        assert answer.status_code == 401  # it is no session either


async def ask_with_session(place: Api, browser: httpx.AsyncClient, value: str) -> httpx.Response:
    """Ask who it is with a cookie of the name that sessions have."""
    async with place.client(None) as other:
        logged_in = await other.post("/login", json={"token": SECRET})
    name = logged_in.headers["set-cookie"].partition("=")[0]
    browser.cookies.clear()
    return await browser.get("/api/me", headers={"Cookie": f"{name}={value}"})


async def test_a_login_does_not_last_for_ever(place: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rota.api.oidc.FLOW_S", -1)
    async with place.client(None) as browser:
        begun = await browser.get("/login/oidc")
        kept = begun.headers["set-cookie"].partition(";")[0]
        page = await browser.get(visit(begun.headers["location"]), headers={"Cookie": kept})
        assert "too long ago" in sentence(page)


@pytest.mark.parametrize("query", ["", "state=x", "state=%00&code=%ff", "code=a&code=b", "state=é", "error=x&state=y"])
async def test_any_way_back_is_answered_calmly(place: Api, query: str) -> None:
    async with place.client(None) as browser:
        page = await browser.get(f"/login/oidc/callback?{query}")
        assert page.status_code in (401, 422)
        sentence(page)


@pytest.mark.parametrize("given", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
async def test_leads_nowhere_else(place: Api, given: str) -> None:
    async with place.client(None) as browser:
        assert forward(await come_back(browser, next=given)) == "/"


async def test_goes_on_to_a_page_with_a_query(place: Api) -> None:
    async with place.client(None) as browser:
        assert forward(await come_back(browser, next='/api/jobs?status=failed&q="')) == '/api/jobs?status=failed&q="'


async def test_comes_back_only_to_names_of_the_service(
    lite: Database, sqlite_url: str, login_issuer: LoginIssuer
) -> None:
    settings = login_issuer.settings(ROTA_HOST="0.0.0.0", ROTA_ALLOWED_HOSTS="jobs.example.org")
    api = Api(lite, settings_of(sqlite_url, **settings))
    async with api.client(None) as browser:
        refused = await browser.get("/login/oidc", headers={"Host": "evil.example"})
        assert (refused.status_code, "location" in refused.headers) == (403, False)
        begun = await browser.get("https://jobs.example.org/login/oidc")
        asked = parse_qs(urlsplit(begun.headers["location"]).query)
        assert asked["redirect_uri"] == ["https://jobs.example.org/login/oidc/callback"]
        assert "Secure" in begun.headers["set-cookie"]
    api.close()


async def test_many_wrong_answers_are_too_many(place: Api, login_issuer: LoginIssuer) -> None:
    login_issuer.person.trouble = Answer(400, {"error": "invalid_grant"})
    async with place.client(None) as browser:
        for _ in range(TRIES):
            assert (await come_back(browser)).status_code == 401
        asked = len(login_issuer.server.requests_to(TOKEN_PATH))
        assert (await come_back(browser)).status_code == 429
        assert len(login_issuer.server.requests_to(TOKEN_PATH)) == asked


async def test_an_issuer_that_is_down_or_odd_is_told_calmly(place: Api, login_issuer: LoginIssuer) -> None:
    async with place.client(None) as browser:
        login_issuer.trouble = DOWN
        assert "does not answer as it should" in sentence(await browser.get("/login/oidc"))
        login_issuer.trouble = None
        login_issuer.discovery["authorization_endpoint"] = "javascript:alert(1)"
        assert "cannot log anybody in" in sentence(await browser.get("/login/oidc"))


async def test_without_a_client_there_is_no_such_login(small: Api) -> None:
    async with small.client(None) as browser:
        assert "/login/oidc" not in (await browser.get("/login")).text
        assert (await browser.get("/login/oidc")).status_code == 401


def test_a_client_needs_the_address_of_its_issuer(sqlite_url: str) -> None:
    for issuer in ("", "my issuer"):
        settings = settings_of(sqlite_url, ROTA_OIDC_CLIENT_ID="rota", ROTA_AUTH_ISSUER=issuer)
        with pytest.raises(SettingInvalid) as refused:
            check_listen(settings, insecure=True)
        assert refused.value.field == "ROTA_OIDC_CLIENT_ID"
        assert "ROTA_AUTH_ISSUER" in str(refused.value.hint)

"""The authorization code flow in a browser, from the link to the code."""

from __future__ import annotations

import base64
import json
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from .conftest import EMAIL, ISSUER, PASSWORD, Harness, Start, challenge

pytestmark = pytest.mark.anyio


async def test_user_logs_in_consents_and_comes_back_with_code_state_and_issuer(
    auth: Harness,
) -> None:
    answer = await auth.authorize()
    assert answer.headers["location"].startswith(f"{ISSUER}/login?ticket=")
    answer = await auth.log_in(await auth.http.get(answer.headers["location"]))
    assert answer.headers["location"].startswith(f"{ISSUER}/consent?ticket=")
    page = await auth.http.get(answer.headers["location"])
    assert "Shop" in page.text
    assert "See your e-mail address" in page.text
    came = auth.answered(await auth.submit(page, "/consent", decision="allow"))
    assert came.keys() == {"code", "state", "iss"}
    assert (came["state"], came["iss"]) == ("state-1", ISSUER)


async def test_consent_is_remembered_until_more_is_asked_for(auth: Harness) -> None:
    await auth.code()
    assert "code" in auth.answered(await auth.authorize())
    more = await auth.authorize(scope="openid profile email roles")
    assert "/consent?" in more.headers["location"]


async def test_user_who_denies_is_sent_back_without_a_code(auth: Harness) -> None:
    answer = await auth.authorize()
    answer = await auth.log_in(await auth.http.get(answer.headers["location"]))
    page = await auth.http.get(answer.headers["location"])
    came = auth.answered(await auth.submit(page, "/consent", decision="deny"))
    assert came == {"error": "access_denied", "state": "state-1", "iss": ISSUER}
    assert "consent.refused" in auth.audited


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": "x" * 43 + "y"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"scope": "openid admin"}, "invalid_scope"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"request": "e30.e30."}, "request_not_supported"),
        ({"resource": "https://elsewhere.example.com"}, "invalid_target"),
        ({"scope": 'open"id'}, "invalid_scope"),
        ({"prompt": "nonsense"}, "invalid_request"),
        ({"request_uri": "https://evil.example/r"}, "request_uri_not_supported"),
        ({"registration": '{"redirect_uris": []}'}, "registration_not_supported"),
        ({"id_token_hint": "x"}, "invalid_request"),
    ],
)
async def test_wrong_request_is_told_to_the_client(
    auth: Harness, changes: dict[str, str | None], error: str
) -> None:
    came = auth.answered(await auth.authorize(**changes))
    assert (came["error"], came["state"], came["iss"]) == (error, "state-1", ISSUER)


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "https://shop.example.com/callback/",
        "https://shop.example.com/callback?x=1",
        "https://shop.example.com/Callback",
        "https://shop.example.com.evil.example/callback",
        "https://shop.example.com@evil.example/callback",
        "http://shop.example.com/callback",
        "https://evil.example/",
        "//evil.example/",
        "javascript:alert(1)",
        "https://shop.example.com/callback/../evil",
        "https://shop.example.com/callback#x",
        "http://127.0.0.1:99999/callback",
        "http://127.0.0.1:80@evil.example/callback",
        "http://127.0.0.1.evil.example/callback",
        "",
    ],
)
async def test_unregistered_redirect_uri_is_never_followed(
    auth: Harness, redirect_uri: str
) -> None:
    answer = await auth.authorize(redirect_uri=redirect_uri)
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert answer.headers["content-type"].startswith("text/html")


async def test_native_app_may_use_any_loopback_port(auth: Harness) -> None:
    answer = await auth.authorize(redirect_uri="http://127.0.0.1:49152/callback")
    assert answer.status_code == 303


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
async def test_repeated_parameter_that_decides_where_to_is_refused(
    auth: Harness, name: str
) -> None:
    query = urlencode([*auth.authorize_query().items(), (name, "spa")])
    answer = await auth.http.get(f"/oauth2/authorize?{query}")
    assert answer.status_code == 400


async def test_any_other_repeated_parameter_is_told_to_the_client(auth: Harness) -> None:
    query = urlencode([*auth.authorize_query().items(), ("scope", "openid")])
    came = auth.answered(await auth.http.get(f"/oauth2/authorize?{query}"))
    assert came["error"] == "invalid_request"


async def test_request_may_come_as_a_form(auth: Harness) -> None:
    answer = await auth.http.post("/oauth2/authorize", data=auth.authorize_query())
    assert "/login?" in answer.headers["location"]


async def test_prompt_login_asks_again_and_then_goes_on(auth: Harness) -> None:
    await auth.code()
    answer = await auth.authorize(prompt="login")
    assert "/login?" in answer.headers["location"]
    again = await auth.log_in(await auth.http.get(answer.headers["location"]))
    assert "code" in auth.answered(again)


async def test_login_that_is_too_old_for_max_age_is_asked_for_again(auth: Harness) -> None:
    await auth.code()
    assert "code" in auth.answered(await auth.authorize(max_age="600"))
    auth.clock.forward(601)
    answer = await auth.authorize(max_age="600")
    assert "/login?" in answer.headers["location"]


async def test_prompt_none_answers_at_once(auth: Harness) -> None:
    await auth.code()
    assert "code" in auth.answered(await auth.authorize(prompt="none"))
    came = auth.answered(await auth.authorize(prompt="none", scope="openid roles"))
    assert came["error"] == "consent_required"


async def test_client_that_means_somebody_else_gets_no_code(auth: Harness) -> None:
    hint = (await auth.tokens())["id_token"]
    assert "code" in auth.answered(await auth.authorize(prompt="none", id_token_hint=hint))
    claims = auth.app.state.auth.mint.verify_id_token_hint(hint)
    other = auth.app.state.auth.mint.id_token(
        "ES256", {**claims, "sub": str(uuid4())}, access_token=""
    )
    came = auth.answered(await auth.authorize(prompt="none", id_token_hint=other))
    assert came["error"] == "login_required"
    answer = await auth.authorize(id_token_hint=other)
    assert "/login?" in answer.headers["location"]
    # Who logs in is the same as before, and not whom the client means.
    answer = await auth.log_in(await auth.http.get(answer.headers["location"]))
    assert auth.answered(answer)["error"] == "login_required"


async def test_scopes_without_claims_here_are_ignored(auth: Harness) -> None:
    tokens = await auth.tokens(scope="openid email address phone")
    assert tokens["scope"] == "openid email"


async def test_hint_of_another_client_is_refused(auth: Harness) -> None:
    hint = (await auth.tokens())["id_token"]
    answer = await auth.authorize(client_id="backend", scope="openid", id_token_hint=hint)
    assert auth.answered(answer)["error"] == "invalid_request"


async def test_hint_whose_key_is_gone_locks_nobody_out(auth: Harness) -> None:
    header, rest = (await auth.tokens())["id_token"].split(".", 1)
    named = json.loads(base64.urlsafe_b64decode(header + "=="))
    gone = json.dumps({**named, "kid": "gone"}).encode()
    hint = f"{base64.urlsafe_b64encode(gone).rstrip(b'=').decode()}.{rest}"
    assert "code" in auth.answered(await auth.authorize(prompt="none", id_token_hint=hint))


async def test_client_of_the_house_needs_no_consent(auth: Harness) -> None:
    answer = await auth.authorize(client_id="backend", scope="openid")
    answer = await auth.log_in(await auth.http.get(answer.headers["location"]))
    assert "code" in auth.answered(answer)


async def test_ticket_that_was_changed_or_is_old_leads_nowhere(auth: Harness) -> None:
    location = (await auth.authorize()).headers["location"]
    assert (await auth.http.get(location + "A")).status_code == 400
    auth.clock.forward(901)
    assert (await auth.http.get(location)).status_code == 400


async def test_form_of_another_site_is_refused(auth: Harness) -> None:
    page = await auth.http.get("/login")
    form = {"email": EMAIL, "password": PASSWORD, "ticket": ""}
    assert (await auth.http.post("/login", data=form)).status_code == 400
    forged = {**form, "form_token": "A" * 43}
    assert (await auth.http.post("/login", data=forged)).status_code == 400
    headers = {"Sec-Fetch-Site": "cross-site"}
    token = page.text.split('name="form_token" value="')[1].split('"')[0]
    right = {**form, "form_token": token}
    answer = await auth.http.post("/login", data=right, headers=headers)
    assert answer.status_code == 400
    assert (await auth.http.post("/login", data=right)).status_code == 303


async def test_page_names_where_its_form_may_lead(auth: Harness) -> None:
    page = await auth.http.get((await auth.authorize()).headers["location"])
    policy = page.headers["content-security-policy"]
    assert "form-action 'self' https://shop.example.com;" in policy
    assert "unsafe" not in policy
    assert "script" not in page.text
    assert "style=" not in page.text
    assert page.headers["cache-control"] == "no-store"


async def test_what_a_client_says_is_escaped(auth: Harness) -> None:
    location = (await auth.authorize(login_hint='"><script>x</script>')).headers["location"]
    page = await auth.http.get(location)
    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text


async def test_cookies_are_bound_to_host_and_https(start: Start) -> None:
    async with start(issuer="https://auth.example.com") as auth:
        answer = await auth.log_in()
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-session=")
    for attribute in ("Secure", "HttpOnly", "SameSite=lax", "Path=/"):
        assert attribute in cookie
    assert "Domain" not in cookie


async def test_pushed_request_is_good_once_for_its_client(auth: Harness) -> None:
    await auth.log_in()
    query = auth.authorize_query(client_id="backend", scope="openid")
    del query["client_id"]
    pushed = await auth.http.post("/oauth2/par", data=query, auth=("backend", auth.secret))
    assert pushed.status_code == 201
    assert pushed.json()["expires_in"] == 90
    name = pushed.json()["request_uri"]
    foreign = {"client_id": "spa", "request_uri": name}
    assert (await auth.http.get("/oauth2/authorize", params=foreign)).status_code == 400
    own = {"client_id": "backend", "request_uri": name}
    assert "code" in auth.answered(await auth.http.get("/oauth2/authorize", params=own))
    assert (await auth.http.get("/oauth2/authorize", params=own)).status_code == 400


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"redirect_uri": "https://evil.example/"}, "invalid_request"),
        ({"scope": "admin"}, "invalid_scope"),
        ({"request_uri": "urn:x"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
    ],
)
async def test_wrong_pushed_request_is_refused(
    auth: Harness, change: dict[str, str], error: str
) -> None:
    query = {**auth.authorize_query(client_id="backend", scope="openid"), **change}
    answer = await auth.http.post("/oauth2/par", data=query, auth=("backend", auth.secret))
    assert (answer.status_code, answer.json()["error"]) == (400, error)


async def test_challenge_is_that_of_rfc_7636() -> None:
    # Appendix B.
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


async def test_logout_goes_to_a_registered_address_only(auth: Harness) -> None:
    tokens = await auth.tokens()
    bye = "https://shop.example.com/bye"
    asked = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": bye, "state": "s"}
    page = await auth.http.get("/logout", params=asked)
    hint = page.text.split('name="hint" value="')[1].split('"')[0]
    answer = await auth.submit(page, "/logout", hint=hint)
    assert answer.headers["location"] == f"{bye}?state=s"
    assert (await auth.userinfo(tokens["access_token"])).status_code == 401
    assert (await auth.http.get("/sessions")).headers["location"] == f"{ISSUER}/login"


async def test_logout_never_leads_to_an_address_of_somebody_else(auth: Harness) -> None:
    tokens = await auth.tokens()
    evil = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": "https://evil.example"}
    page = await auth.http.get("/logout", params=evil)
    assert "evil.example" not in page.text + page.headers["content-security-policy"]
    answer = await auth.submit(page, "/logout", hint="https://evil.example")
    assert "location" not in answer.headers

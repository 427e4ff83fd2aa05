"""Links by mail: to choose another password, to verify an address, to register."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import text, update

from central_services.auth_service.mail_queue import Asked
from central_services.auth_service.models import MailQueueRow
from central_services.auth_service.notifying import MailNotifier, Message
from central_services.mail import PermanentMailError, TransientMailError

from .conftest import EMAIL, PASSWORD, Harness, Start

pytestmark = pytest.mark.anyio

NEW = "quiet-Harbour-3119"


@dataclass
class Letterbox:
    """A notifier that keeps what it is to tell; it can fail first."""

    messages: list[Message] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    is_configured: bool = True

    async def notify(self, message: Message, key: str, /) -> None:
        self.keys.append(key)
        if self.errors:
            raise self.errors.pop(0)
        self.messages.append(message)


@dataclass
class Mailed:
    """A service, and what it mails."""

    auth: Harness
    box: Letterbox

    async def ask(self, path: str, email: str) -> httpx2.Response:
        page = await self.auth.http.get(path)
        answer = await self.auth.submit(page, path, email=email)
        await self.auth.app.state.auth.account_mail.drained()
        return answer

    async def link(self, path: str = "/reset-password", email: str = EMAIL) -> str:
        """Ask for a link and return its path and query."""
        await self.ask(path, email)
        return self.last()

    def last(self) -> str:
        url = urlsplit(self.box.messages[-1].link)
        return f"{url.path}?{url.query}"

    async def choose(self, link: str, password: str = NEW) -> httpx2.Response:
        """Open a link and choose a password."""
        page = await self.auth.http.get(link)
        token = re.findall(r'name="token" value="([^"]*)"', page.text)
        if not token:
            return page
        return await self.auth.submit(page, "/new-password", token=token[0], new_password=password)

    async def log_in(self, password: str, email: str = EMAIL) -> int:
        page = await self.auth.http.get("/login")
        answer = await self.auth.submit(page, "/login", email=email, password=password)
        return answer.status_code


def with_box(auth: Harness) -> Mailed:
    box = Letterbox()
    auth.app.state.auth.account_mail.notifier = box
    auth.app.state.auth.account_mail.clock = auth.clock
    return Mailed(auth, box)


@pytest.fixture
async def mailed(auth: Harness) -> Mailed:
    return with_box(auth)


@pytest.fixture
async def open_house(start: Start) -> AsyncIterator[Mailed]:
    """A service where everybody can register."""
    async with start(registration_organisation="rival", first_party_client="spa") as auth:
        yield with_box(auth)


async def test_password_is_reset_by_a_link(mailed: Mailed) -> None:
    answer = await mailed.choose(await mailed.link())
    assert answer.status_code == 200
    assert (await mailed.log_in(PASSWORD), await mailed.log_in(NEW)) == (401, 303)
    await mailed.auth.app.state.auth.account_mail.drained()
    assert [message.kind for message in mailed.box.messages] == ["reset", "password_changed"]
    assert "user.mail_asked" in mailed.auth.audited
    assert "user.password_changed" in mailed.auth.audited


async def test_reset_ends_every_session_and_token(mailed: Mailed) -> None:
    auth = mailed.auth
    tokens = await auth.tokens(scope="openid offline_access")
    cookies = dict(auth.http.cookies)
    link = await mailed.link()
    assert (await mailed.choose(link)).status_code == 200
    assert (await auth.userinfo(tokens["access_token"])).status_code == 401
    assert (await auth.refresh(tokens["refresh_token"])).status_code == 400
    auth.http.cookies.update(cookies)
    assert (await auth.http.get("/sessions")).headers["location"].endswith("/login")


async def test_unknown_address_gets_the_same_answer(mailed: Mailed) -> None:
    known = await mailed.ask("/reset-password", EMAIL)
    unknown = await mailed.ask("/reset-password", "nobody@example.com")
    assert (known.status_code, known.text) == (unknown.status_code, unknown.text)
    assert len(mailed.box.messages) == 1
    assert mailed.auth.audited.count("user.mail_asked") == 2


async def test_answer_never_waits_for_what_depends_on_the_account(mailed: Mailed) -> None:
    parts = mailed.auth.app.state.auth
    await parts.account_mail.end()  # nobody looks after the queue
    page = await mailed.auth.http.get("/reset-password")
    answer = await mailed.auth.submit(page, "/reset-password", email=EMAIL)
    assert answer.status_code == 200
    parts.account_mail.begin()
    await parts.account_mail.drained()
    assert len(mailed.box.messages) == 1


async def test_link_works_once(mailed: Mailed) -> None:
    link = await mailed.link()
    assert (await mailed.choose(link)).status_code == 200
    assert (await mailed.choose(link, "other-Harbour-3120")).status_code == 400
    page = await mailed.auth.http.get("/reset-password")
    token = link.split("token=")[1]
    again = await mailed.auth.submit(
        page, "/new-password", token=token, new_password="other-Harbour-3120"
    )
    assert again.status_code == 400
    assert "user.mail_link_refused" in mailed.auth.audited
    assert await mailed.log_in(NEW) == 303


async def test_reset_makes_the_other_links_worthless(mailed: Mailed) -> None:
    first, second = await mailed.link(), await mailed.link()
    assert (await mailed.choose(second)).status_code == 200
    assert (await mailed.choose(first)).status_code == 400


async def test_link_expires(mailed: Mailed) -> None:
    link = await mailed.link()
    mailed.auth.clock.forward(3_601)
    assert (await mailed.choose(link)).status_code == 400


async def test_link_to_an_old_address_does_not_work(mailed: Mailed) -> None:
    link = await mailed.link()
    async with mailed.auth.app.state.auth.database.transaction() as session:
        await session.execute(text("UPDATE auth_users SET email = 'new@example.com'"))
    assert (await mailed.choose(link)).status_code == 400


async def test_links_are_for_one_purpose(mailed: Mailed) -> None:
    token = (await mailed.link("/verify-email")).split("token=")[1]
    assert (await mailed.auth.http.get(f"/new-password?token={token}")).status_code == 400
    token = (await mailed.link()).split("token=")[1]
    assert (await mailed.auth.http.get(f"/verify-email?token={token}")).status_code == 400


async def test_easy_password_does_not_use_the_link_up(mailed: Mailed) -> None:
    link = await mailed.link()
    answer = await mailed.choose(link, "password1234")
    assert answer.status_code == 422
    assert "password1234" not in answer.text
    assert (await mailed.choose(link)).status_code == 200


async def test_programs_that_open_links_use_nothing_up(mailed: Mailed) -> None:
    link = await mailed.link("/verify-email")
    for _ in range(3):
        assert (await mailed.auth.http.get(link)).status_code == 200
    page = await mailed.auth.http.get(link)
    token = link.split("token=")[1]
    answer = await mailed.auth.submit(page, "/verify-email", token=token)
    assert answer.status_code == 200
    assert "user.email_verified" in mailed.auth.audited
    tokens = await mailed.auth.tokens()
    found = (await mailed.auth.userinfo(tokens["access_token"])).json()
    assert found["email_verified"] is True


async def test_form_from_another_site_is_refused(mailed: Mailed) -> None:
    token = (await mailed.link()).split("token=")[1]
    for path in ("/reset-password", "/new-password", "/verify-email", "/password"):
        mailed.auth.http.cookies.clear()
        await mailed.auth.log_in()
        form = {"email": EMAIL, "token": token, "new_password": NEW, "form_token": "x"}
        answer = await mailed.auth.http.post(path, data=form)
        assert answer.status_code == 400, path
    assert await mailed.log_in(PASSWORD) == 303


async def test_token_of_a_link_is_not_kept(mailed: Mailed) -> None:
    token = (await mailed.link()).split("token=")[1]
    async with mailed.auth.app.state.auth.database.read() as session:
        rows = (await session.execute(text("SELECT * FROM auth_mail_tokens"))).all()
    assert len(rows) == 1
    assert token not in str(rows)


async def test_one_user_gets_a_few_messages_an_hour(mailed: Mailed) -> None:
    for _ in range(7):
        await mailed.ask("/reset-password", EMAIL)
    assert len(mailed.box.messages) == 5


async def test_one_address_may_ask_so_often(start: Start) -> None:
    async with start(attempts_per_minute=2) as auth:
        mailed = with_box(auth)
        answers = [await mailed.ask("/reset-password", f"{n}@example.com") for n in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]


async def test_disabled_user_gets_no_link(mailed: Mailed) -> None:
    async with mailed.auth.app.state.auth.database.transaction() as session:
        await session.execute(text("UPDATE auth_users SET status = 'disabled'"))
    await mailed.ask("/reset-password", EMAIL)
    assert mailed.box.messages == []


async def test_message_is_sent_again_when_that_may_help(mailed: Mailed) -> None:
    mailed.box.errors = [TransientMailError("no answer", retry_after_s=0.001)]
    await mailed.ask("/reset-password", EMAIL)
    assert len(mailed.box.messages) == 1
    assert len(mailed.box.keys) == 2
    assert len(set(mailed.box.keys)) == 1, "the mail service would know it"
    mailed.box.errors = [PermanentMailError("refused")]
    await mailed.ask("/reset-password", EMAIL)
    assert len(mailed.box.messages) == 1


async def test_what_waits_is_sealed_and_what_can_not_be_opened_holds_nobody_up(
    mailed: Mailed,
) -> None:
    parts = mailed.auth.app.state.auth
    await parts.account_mail.end()
    for address in (EMAIL, "nobody@example.com"):
        await parts.account_mail.ask(Asked("reset", address))
    async with parts.database.transaction() as session:
        rows = (await session.execute(text("SELECT box FROM auth_mail_queue"))).scalars().all()
        assert len(rows) == 2
        assert all(EMAIL.encode() not in bytes(box) for box in rows)
        await session.execute(update(MailQueueRow).values(box=b"x" * 40))
    await parts.account_mail.ask(Asked("reset", EMAIL))
    parts.account_mail.begin()
    await parts.account_mail.drained()
    assert [message.email for message in mailed.box.messages] == [EMAIL]


async def test_without_mail_there_is_no_link(mailed: Mailed) -> None:
    assert "/reset-password" in (await mailed.auth.http.get("/login")).text
    mailed.box.is_configured = False
    assert "/reset-password" not in (await mailed.auth.http.get("/login")).text
    assert (await mailed.auth.http.get("/reset-password")).status_code == 404


async def test_notifier_of_the_service_mails(
    auth: Harness, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    notifier = auth.app.state.auth.account_mail.notifier
    assert isinstance(notifier, MailNotifier)
    settings = notifier.mail._settings.model_copy(update={"sender": "auth@example.com"})
    monkeypatch.setattr(notifier.mail, "_settings", settings)
    message = Message("reset", EMAIL, "Ada", "https://x.example/new-password?t=1", 60)
    key = str(uuid4())  # what was sent is remembered
    await notifier.notify(message, key)
    await notifier.notify(message, key)
    said = capsys.readouterr().out
    assert said.count(f"To: {EMAIL}") == 1
    assert "https://x.example/new-password?t=1" in said


async def test_password_is_changed_on_a_page(mailed: Mailed) -> None:
    auth = mailed.auth
    tokens = await auth.tokens()
    page = await auth.http.get("/password")
    wrong = await auth.submit(page, "/password", password="wrong", new_password=NEW)
    assert wrong.status_code == 401
    easy = await auth.submit(page, "/password", password=PASSWORD, new_password="short")
    assert easy.status_code == 422
    answer = await auth.submit(page, "/password", password=PASSWORD, new_password=NEW)
    assert answer.status_code == 303
    assert (await auth.http.get("/sessions")).status_code == 200  # here a new session began
    assert (await auth.refresh(tokens["refresh_token"])).status_code == 400
    assert (await mailed.log_in(PASSWORD), await mailed.log_in(NEW)) == (401, 303)
    await auth.app.state.auth.account_mail.drained()
    assert mailed.box.messages[-1].kind == "password_changed"


async def test_password_page_is_for_who_is_logged_in(mailed: Mailed) -> None:
    assert (await mailed.auth.http.get("/password")).status_code == 303
    assert (await mailed.auth.http.post("/password", data={})).status_code == 303


async def register(mailed: Mailed, email: str) -> httpx2.Response:
    answer = await mailed.auth.http.post("/auth/register", json={"email": email, "name": "Eve"})
    await mailed.auth.app.state.auth.account_mail.drained()
    return answer


async def test_nobody_registers_unless_a_setting_says_so(mailed: Mailed) -> None:
    assert (await register(mailed, "eve@example.com")).status_code == 404


async def test_who_registers_chooses_the_password_by_the_link(open_house: Mailed) -> None:
    assert (await register(open_house, "Eve@Example.com")).status_code == 202
    assert open_house.box.messages[0].kind == "register"
    assert "user.created" in open_house.auth.audited
    assert (await open_house.choose(open_house.last())).status_code == 200
    assert await open_house.log_in(NEW, "eve@example.com") == 303


async def test_registering_a_known_address_tells_only_its_owner(open_house: Mailed) -> None:
    new, known = await register(open_house, "eve@example.com"), await register(open_house, EMAIL)
    assert (new.status_code, new.json()) == (known.status_code, known.json())
    assert [message.kind for message in open_house.box.messages] == ["register", "account_exists"]
    assert open_house.auth.audited.count("user.created") == 1


async def test_where_everybody_registers_only_verified_addresses_log_in(
    open_house: Mailed,
) -> None:
    assert await open_house.log_in(PASSWORD) == 401
    link = await open_house.link("/verify-email")
    page = await open_house.auth.http.get(link)
    token = link.split("token=")[1]
    await open_house.auth.submit(page, "/verify-email", token=token)
    assert await open_house.log_in(PASSWORD) == 303

"""Mail of a rendered service, over real connections: TLS, logins, providers, and a server that fails."""

import json
import ssl
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mail_servers
import pytest
import trustme
from mail_servers import ProviderHost, provider_host, smtp_host
from processes import RunIn, clean_environment, rendered_python, show
from projects import prefix_of
from rendering import Renderer, slug_of
from valkey_server import Valkey

pytestmark = pytest.mark.slow

MESSAGES = 1_000
FAILURES = {
    "refused connection": 0.03,
    "deferred recipient": 0.05,
    "deferred content": 0.05,
    "lost before it was taken": 0.03,
    "lost final reply": 0.03,
}
CANARIES = (
    mail_servers.PASSWORD,
    mail_servers.SECRET,
    mail_servers.TOKEN,
    mail_servers.API_KEY,
    "canary body",
)

# Sends all messages, in an order of its own, until each has been sent by somebody.
SENDER = """
import asyncio, json, random, sys
from PACKAGE.mail import Email, TransientMailError
from PACKAGE.mail.composition import open_mail
from PACKAGE.settings import Settings
from PACKAGE.utils.logging import flush, setup_logging

setup_logging(json_logs=True, stream=sys.stderr)
count, seed = int(sys.argv[1]), int(sys.argv[2])

async def one(mail, number, found):
    email = Email(
        recipients=(f"user{number}@example.com",), subject=f"Change {number}",
        text="canary body", idempotency_key=f"change:{number}",
    )
    while True:
        try:
            sent = await mail.send(email)
        except TransientMailError as error:
            await asyncio.sleep(min(0.2, error.retry_after_s or 0.01))
        else:
            found[number] = [sent.message_id, sent.repeated, sent.maybe_duplicate]
            return

async def main():
    numbers, found, limit = list(range(count)), {}, asyncio.Semaphore(6)
    random.Random(seed).shuffle(numbers)
    async with open_mail(Settings()) as mail:
        async def within(number):
            async with limit:
                await one(mail, number, found)
        print("ready", flush=True)
        await asyncio.gather(*map(within, numbers))
    flush()
    print(json.dumps(found))

asyncio.run(main())
"""


@pytest.fixture(scope="session")
def project(render: Renderer) -> Path:
    """A project with background jobs."""
    return render("cookiecutter", include_background_jobs=True)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A CA that nobody else knows."""
    return trustme.CA()


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """A server's side of TLS, with a certificate for 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def settings(project: Path, tmp_path: Path, authority: trustme.CA) -> dict[str, str]:
    """Settings that every test needs; a fixture, since each has records of its own."""
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    prefix = prefix_of(project)
    return {
        f"{prefix}MAIL__SENDER": "Orders <orders@example.com>",
        f"{prefix}MAIL__RECORDS_PATH": str(tmp_path / "mail.db"),
        f"{prefix}MAIL__SMTP_HOST": "127.0.0.1",
        f"{prefix}MAIL__SMTP_CA_FILE": str(bundle),
        f"{prefix}HTTP_CLIENT__ALLOWED_INTERNAL_HOSTS": "127.0.0.1",
        f"{prefix}JOBS__PATH": str(tmp_path / "jobs.db"),
    }


def of_mail(project: Path, **values: object) -> dict[str, str]:
    """Return variables of the section `mail`."""
    return {f"{prefix_of(project)}MAIL__{n.upper()}": str(v) for n, v in values.items()}


def mail_test(
    project: Path, run_in: RunIn, variables: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run `mail test`, and see that it shows no secret, whatever becomes of it."""
    given: dict[str, Any] = dict(variables)
    command = ("python", "-m", slug_of(project), "mail", "test", "ann@example.com")
    done = run_in(project, *command, check=False, **given)
    shown = show(done)
    assert not any(canary in shown for canary in CANARIES), shown
    assert "Traceback" not in shown, shown
    return done


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_message_goes_out_encrypted_after_a_login(
    project: Path, run_in: RunIn, settings: dict[str, str], server_tls: ssl.SSLContext, tls: str
) -> None:
    ways: dict[str, Any] = {
        "starttls": {"tls_context": server_tls, "require_starttls": True, "auth_required": True},
        "implicit": {"implicit_tls": server_tls, "auth_require_tls": False},
    }
    with smtp_host(authenticator=mail_servers.login, **ways[tls]) as host:
        chosen = of_mail(
            project,
            delivery="smtp",
            smtp_port=host.port,
            smtp_tls=tls,
            smtp_username="orders",
            smtp_password=mail_servers.PASSWORD,
        )
        assert mail_test(project, run_in, settings | chosen).returncode == 0
        wrong = chosen | of_mail(project, smtp_password="wrong")
        refused = mail_test(project, run_in, settings | wrong)
        stranger = settings | chosen
        del stranger[f"{prefix_of(project)}MAIL__SMTP_CA_FILE"]
        unknown = mail_test(project, run_in, stranger)
    assert [recipients for _, recipients in host.taken] == [("ann@example.com",)]
    assert host.users == {"orders"}
    assert "MailConfigurationError" in refused.stderr
    assert "certificate verify failed" in unknown.stderr
    assert (refused.returncode, unknown.returncode) == (1, 1)


def test_server_without_tls_gets_nothing(
    project: Path, run_in: RunIn, settings: dict[str, str]
) -> None:
    with smtp_host() as host:
        chosen = of_mail(project, delivery="smtp", smtp_port=host.port)
        done = mail_test(project, run_in, settings | chosen)
    assert "STARTTLS" in done.stderr
    assert host.taken == []


@pytest.fixture
def provider() -> Iterator[ProviderHost]:
    """A server that behaves like SES, SendGrid and a webhook."""
    with provider_host() as host:
        yield host


def test_ses_accepts_what_was_signed_and_nothing_else(
    project: Path, run_in: RunIn, settings: dict[str, str], provider: ProviderHost
) -> None:
    chosen = of_mail(
        project,
        delivery="ses",
        ses_region="eu-central-1",
        ses_access_key_id=mail_servers.KEY_ID,
        ses_secret_access_key=mail_servers.SECRET,
        ses_session_token=mail_servers.TOKEN,
        ses_url=provider.url,
    )
    done = mail_test(project, run_in, settings | chosen)
    assert done.returncode == 0, show(done)
    assert "ses-7" in done.stdout
    wrong = mail_test(
        project, run_in, settings | chosen | of_mail(project, ses_secret_access_key="x")
    )
    assert "MailConfigurationError" in wrong.stderr
    assert provider.refused == ["wrong signature"]
    assert [path for path, _ in provider.requests] == ["/v2/email/outbound-emails"]


def test_sendgrid_accepts_what_has_the_key_and_nothing_else(
    project: Path, run_in: RunIn, settings: dict[str, str], provider: ProviderHost
) -> None:
    chosen = of_mail(
        project,
        delivery="sendgrid",
        sendgrid_api_key=mail_servers.API_KEY,
        sendgrid_url=provider.url,
    )
    assert mail_test(project, run_in, settings | chosen).returncode == 0
    wrong = mail_test(project, run_in, settings | chosen | of_mail(project, sendgrid_api_key="x"))
    assert "MailConfigurationError" in wrong.stderr
    assert provider.refused == ["wrong API key"]
    assert provider.requests[0][1]["from"] == {"email": "orders@example.com", "name": "Orders"}


def begin(project: Path, variables: dict[str, str], seed: int, log: Path) -> subprocess.Popen[str]:
    """Start a process that sends all messages.

    Its log is a file: a pipe that nobody reads would hold it up, with its claims, once it is full.
    """
    code = SENDER.replace("PACKAGE", slug_of(project))
    with log.open("w") as errors:
        return subprocess.Popen(
            [rendered_python(), "-c", code, str(MESSAGES), str(seed)],
            cwd=project,
            env=clean_environment() | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )


def test_thousand_messages_over_a_flaky_server_arrive_once(
    project: Path, settings: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two processes send the same messages; what arrives twice is what the server's last word was lost of."""
    with smtp_host() as host:
        host.failures = FAILURES
        # A claim outlasts whatever holds a busy machine up: it ends after one and a half times this.
        slow = {"smtp_connections": 4, "timeout_s": 200}
        chosen = of_mail(project, delivery="smtp", smtp_port=host.port, smtp_tls="none", **slow)
        files = [tmp_path / f"sender-{seed}.log" for seed in (1, 2)]
        senders = [
            begin(project, settings | chosen, seed, log) for seed, log in enumerate(files, start=1)
        ]
        outputs = [sender.communicate(timeout=400)[0] for sender in senders]
    for sender, log in zip(senders, files, strict=True):
        logs = log.read_text()
        assert sender.returncode == 0, logs[-3_000:]
        assert not any(canary in logs for canary in (*CANARIES, "user7", "Change"))
    found = [json.loads(output.splitlines()[-1]) for output in outputs]
    assert [len(one) for one in found] == [MESSAGES] * 2
    ids = {number: {one[number][0] for one in found} for number in found[0]}
    assert all(len(named) == 1 for named in ids.values()), "a Message-ID is not stable"
    arrived = Counter(message_id for message_id, _ in host.taken)
    assert set(arrived) == set.union(*ids.values()), "every message arrived, and no other"
    twice = {message_id: count - 1 for message_id, count in arrived.items() if count > 1}
    wrong = {m: (n, host.lost[m]) for m, n in twice.items() if n > host.lost[m]}
    assert wrong == {}, "a message arrived twice though its final reply was not lost"
    assert host.lost, "the server lost no reply, so this showed nothing"
    with capsys.disabled():
        print(
            f" [{len(host.taken)} taken, {sum(host.lost.values())} replies lost, {sum(twice.values())} twice]"
        )


KILL_DRIVER = """
import asyncio, sys
from PACKAGE.mail import Email
from PACKAGE.mail.composition import open_mail
from PACKAGE.settings import Settings

async def main():
    email = Email(recipients=("ann@example.com",), subject="S", text="T", idempotency_key="k")
    async with open_mail(Settings()) as mail:
        while True:
            try:
                sent = await mail.send(email)
            except Exception as error:
                print(type(error).__name__, flush=True)
                await asyncio.sleep(0.1)
            else:
                print(sent.message_id, sent.maybe_duplicate, flush=True)
                return

asyncio.run(main())
"""


@pytest.mark.parametrize("store", ["sqlite", "valkey"])
def test_message_of_a_killed_worker_is_in_doubt_and_keeps_its_id(
    project: Path, settings: dict[str, str], valkey: Valkey, store: str
) -> None:
    with smtp_host() as host:
        chosen = of_mail(
            project, delivery="smtp", smtp_port=host.port, smtp_tls="none", timeout_s=4
        )
        if store == "valkey":
            chosen |= of_mail(project, records_url=valkey.url)
        host.hold = True
        command = [rendered_python(), "-c", KILL_DRIVER.replace("PACKAGE", slug_of(project))]
        environment = clean_environment() | settings | chosen
        with subprocess.Popen(command, cwd=project, env=environment, text=True) as first:
            assert host.holding.wait(60)
            first.kill()
        host.hold = False
        second = subprocess.run(
            command, cwd=project, env=environment, capture_output=True, text=True, timeout=120
        )
    *refusals, last = second.stdout.splitlines()
    assert set(refusals) <= {"TransientMailError"}, second.stderr
    assert last == f"{host.taken[0][0]} True"
    assert len({message_id for message_id, _ in host.taken}) == 1


ENQUEUE = """
import asyncio, sys
from PACKAGE.jobs.client import open_client
from PACKAGE.jobs.connecting import make_store
from PACKAGE.jobs.worker import send_email_task
from PACKAGE.settings import Settings

async def main():
    settings = Settings().jobs
    async with open_client(settings, lambda: make_store(settings)):
        for number in range(int(sys.argv[2])):
            task = send_email_task.options(retries=0, idempotency_key=f"{sys.argv[1]}-{number}")
            await task.enqueue("ann@example.com", f"{sys.argv[1]} {number}", "canary body")

asyncio.run(main())
"""


def work_off(project: Path, run_in: RunIn, name: str, count: int, variables: dict[str, str]) -> str:
    """Enqueue messages, let a worker send them, and return its log."""
    given: dict[str, Any] = dict(variables)
    code = ENQUEUE.replace("PACKAGE", slug_of(project))
    run_in(project, "python", "-c", code, name, str(count), **given)
    command = ("python", "-m", slug_of(project), "worker", "--until-empty")
    return show(run_in(project, *command, **given))


def test_worker_tells_of_dead_letters_once_over_the_webhook_when_mail_is_what_failed(
    project: Path, run_in: RunIn, settings: dict[str, str], provider: ProviderHost
) -> None:
    """Three workers one after another: two find mail down, the third finds that it works again."""
    with smtp_host() as host:
        working = settings | of_mail(
            project,
            delivery="smtp",
            smtp_port=host.port,
            smtp_tls="none",
            admins="root@example.com",
            admin_webhook_url=f"{provider.url}/canary-hook",
        )
        host.failures = {"deferred content": 1.0}
        logs = [work_off(project, run_in, name, 2, working) for name in ("first", "second")]
        assert len(provider.requests) == 1, logs
        host.failures = {}
        logs.append(work_off(project, run_in, "third", 1, working))
    text = provider.requests[0][1]["text"]
    assert "send_email_task has failed for good" in text
    assert "TransientMailError" in text
    subjects = [one.partition(b"Subject: ")[2].partition(b"\r\n")[0] for one in host.contents]
    assert max(subjects) == b"third 0"
    assert len(subjects) == 2, subjects
    assert b"works again" in min(subjects)
    assert not any(canary in text for canary in (*CANARIES, "canary-hook") for text in logs)

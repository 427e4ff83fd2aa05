"""The names and signatures that the seeds fix (DESIGN 2.6), held by introspection of a render."""

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from combinations import everything, load_manifest, questions
from processes import RunIn
from rendering import Renderer, slug_of

MANIFEST = load_manifest()

ALWAYS = ""
"""The key of what every project has."""

SIGNATURES: dict[str, dict[str, str]] = {
    ALWAYS: {
        "middleware.security:SecurityHeadersMiddleware": "(app)",
        "middleware.security:RateLimitMiddleware": "(app, requests_per_minute=60)",
        "middleware.security:SSRFPreventionMiddleware": "(app)",
        "middleware.security:add_security_middleware": (
            "(app, *, enable_https_redirect=False, enable_rate_limiting=True,"
            " enable_ssrf_prevention=True, allowed_origins=None, allowed_hosts=None, rate_limit_rpm=60)"
        ),
        "core.sentry:init_sentry": (
            "(dsn=None, environment=None, release=None, traces_sample_rate=0.1)"
        ),
        "core.sentry:before_send_hook": "(event, hint)",
        "core.sentry:before_breadcrumb_hook": "(crumb, hint)",
        "core.sentry:set_user_context": "(user_id=None, email=None, username=None, **kwargs)",
        "core.sentry:capture_message": '(message, *, level="info", tags=None, extra=None)',
        "core.sentry:add_breadcrumb": '(message, category="custom", level="info", data=None)',
        "utils.logging:setup_logging": '(level="INFO", json_logs=False, include_timestamp=True)',
        "utils.logging:get_logger": "(name=None)",
        "utils.logging:log_performance": (
            "(logger, operation, duration_ms, success=True, **context)"
        ),
        "api.health:ReadinessCheck": "(name, status, latency_ms)",
        "api.health:check_external_service": "async ()",
    },
    "include_background_jobs": {
        "jobs.worker:enqueue_task": "async (queue, task_name, *args, **kwargs)",
        "jobs.worker:send_email_task": "async (ctx, recipient, subject, body)",
        "jobs.worker:process_file_upload": "async (ctx, file_id, file_path)",
    },
    "include_financial": {
        "utils.financial:format_audit_amount": '(amount, currency=None, locale="en")',
    },
    "include_audit_logging+include_financial": {
        "audit.financial:audit_log_financial_transaction": (
            "async (transaction_id, amount, currency, from_account, to_account, reason, user_id,"
            " timestamp, authorization)"
        ),
    },
    "include_scheduled_tasks": {
        "monitoring:MonitoringService": "class",
        "monitoring:EmailService": "class",
        "monitoring:PresetsManager": "class",
    },
    "use_central_config": {"clients.config:DynamicConfig.get_config": "(self, key)"},
    "use_feature_flags": {"clients.config:DynamicConfig.get_feature_flag": "(self, flag_name)"},
    "use_secrets_manager": {"clients.secrets:SecretsManager.get_secret": "(self, secret_name)"},
}
"""Per feature, what its users may call. A feature is checked from the day its question exists."""

SETTINGS = {"log_level", "json_logs", "include_timestamp"}

INTROSPECT = """
import importlib, inspect, json, sys
slug, wanted, found = sys.argv[1], json.loads(sys.argv[2]), {}
for name in wanted:
    module, _, path = name.partition(":")
    try:
        value = importlib.import_module(f"{slug}.{module}")
        for part in path.split("."):
            value = getattr(value, part)
    except (ImportError, AttributeError) as error:
        found[name] = {"missing": repr(error)}
        continue
    value = inspect.unwrap(value)
    parameters = inspect.signature(value).parameters.values()
    found[name] = {
        "class": inspect.isclass(value),
        "async": inspect.iscoroutinefunction(value),
        "parameters": [
            [p.name, int(p.kind), p.default is p.empty, p.default if p.default is not p.empty else None]
            for p in parameters
        ],
    }
print(json.dumps(found, default=repr))
"""


def described(signature: str) -> tuple[bool, list[inspect.Parameter]]:
    """Return (is it a coroutine function, its parameters) of a line of the table."""
    text = signature.removeprefix("async ")
    names: dict[str, Any] = {}
    exec(f"def function{text}: ...", names)
    return text != signature, list(inspect.signature(names["function"]).parameters.values())


def differences(name: str, signature: str, found: dict[str, Any]) -> list[str]:
    """Return how a found signature breaks the promised one; more keyword-only parameters are welcome."""
    if "missing" in found:
        return [f"{name} is missing: {found['missing']}"]
    if signature == "class":
        return [] if found["class"] else [f"{name} is no class"]
    is_async, promised = described(signature)
    wrong = [] if found["async"] == is_async else [f"{name}: async is {found['async']}"]
    actual = {n: (kind, required, default) for n, kind, required, default in found["parameters"]}
    order = [
        n for n, kind, *_ in found["parameters"] if kind == inspect.Parameter.POSITIONAL_OR_KEYWORD
    ]
    places = [p.name for p in promised if p.kind is p.POSITIONAL_OR_KEYWORD]
    if order != places:
        wrong.append(f"{name}: positional parameters are {order}, promised are {places}")
    for parameter in promised:
        if parameter.name not in actual:
            wrong.append(f"{name} lacks {parameter.name}")
            continue
        kind, required, default = actual.pop(parameter.name)
        if kind != parameter.kind:
            wrong.append(f"{name}: {parameter.name} is of another kind")
        expected = None if parameter.default is parameter.empty else parameter.default
        if required != (parameter.default is parameter.empty) or default != expected:
            wrong.append(
                f"{name}: {parameter.name} defaults to {default!r}, promised is {expected!r}"
            )
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    more = [n for n, (kind, required, _) in actual.items() if required and kind not in variable]
    return wrong + [f"{name}: {n} is required, and not promised" for n in more]


def introspect(project: Path, run_in: RunIn, names: list[str]) -> dict[str, Any]:
    """Import the names in a process of the project's and return what they are."""
    arguments = (slug_of(project), json.dumps(names))
    shown = run_in(project, "python", "-c", INTROSPECT, *arguments).stdout
    found: dict[str, Any] = json.loads(shown)
    return found


@pytest.mark.parametrize("feature", SIGNATURES, ids=lambda feature: feature or "always")
def test_signatures_are_the_promised_ones(render: Renderer, run_in: RunIn, feature: str) -> None:
    if feature and not set(feature.split("+")) <= set(questions(MANIFEST)):
        return  # comes with its question; the next test makes sure that it is then checked
    promised = SIGNATURES[feature]
    project = render("cookiecutter", **everything(MANIFEST, on=True))
    found = introspect(project, run_in, list(promised))
    wrong = [d for name, text in promised.items() for d in differences(name, text, found[name])]
    assert wrong == []


def test_table_is_keyed_by_what_could_be_a_question() -> None:
    prefixes = ("include_", "use_")
    assert all(not key or key.startswith(prefixes) for key in SIGNATURES)


def test_settings_hold_the_fields_of_the_seed(default_project: Path, run_in: RunIn) -> None:
    script = (
        "import json; from acme_orders.settings import Settings; "
        "print(json.dumps([sorted(Settings.model_fields), Settings.model_config['env_prefix']]))"
    )
    fields, prefix = json.loads(run_in(default_project, "python", "-c", script).stdout)
    assert set(fields) >= SETTINGS
    assert prefix == "ACME_ORDERS_"


@pytest.mark.parametrize(
    ("promised", "source"),
    [
        ("(a, b=1)", "def f(a, c, b=1): ..."),
        ("(a, b=1)", "def f(a, b=2): ..."),
        ("(a, *, b=1)", "def f(a, b=1): ..."),
        ("(a)", "def f(a, *, more): ..."),
        ("(a)", "async def f(a): ..."),
        ("async (a)", "def f(a): ..."),
        ("(a, **rest)", "def f(a): ..."),
    ],
)
def test_broken_promise_would_be_noticed(
    tmp_path: Path, run_in: RunIn, promised: str, source: str
) -> None:
    package = tmp_path / "src/acme"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "api.py").write_text(source)
    (tmp_path / ".copier-answers.yml").write_text("project_slug: acme\n")
    found = introspect(tmp_path, run_in, ["api:f"])
    assert differences("api:f", promised, found["api:f"])

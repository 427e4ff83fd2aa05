"""A home of their own for tests: settings and caches of the machine are not seen."""

import os
import tempfile
from pathlib import Path

HOME_VARIABLE = "SLIPWAY_TESTS_HOME"


def _keep_what_is_not_ours() -> None:
    """Name what lives in the real home and is only read or shared, before that home goes away."""
    home = Path.home()
    caches = Path(os.environ.get("XDG_CACHE_HOME", home / ".cache"))
    shared = {
        "UV_CACHE_DIR": caches / "uv",
        "PLAYWRIGHT_BROWSERS_PATH": caches / "ms-playwright",
        "PYENV_ROOT": home / ".pyenv",
        "PIP_CONFIG_FILE": home / ".config/pip/pip.conf",
        "UV_CONFIG_FILE": home / ".config/uv/uv.toml",
        "NPM_CONFIG_USERCONFIG": home / ".npmrc",
        "NPM_CONFIG_CACHE": home / ".npm",
    }
    for name, path in shared.items():
        if path.exists():
            os.environ.setdefault(name, str(path))


def move_home() -> str:
    """Put the home, and with it every engine's settings and caches, into a temporary folder."""
    _keep_what_is_not_ours()
    home = Path(tempfile.mkdtemp(prefix="slipway-tests-"))
    identity = "[user]\n\tname = Tests\n\temail = tests@example.com\n"
    more = "[init]\n\tdefaultBranch = main\n\ttemplateDir =\n[gc]\n\tauto = 0\n[safe]\n\tdirectory = *\n"
    (home / ".gitconfig").write_text(identity + more)
    (home / "copier.yml").write_text("{}\n")
    for name in [n for n in os.environ if n.startswith("GIT_") and n != "GIT_SSL_CAINFO"]:
        del os.environ[name]
    os.environ |= {
        HOME_VARIABLE: str(home),
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "data"),
        "COPIER_SETTINGS_PATH": str(home / "copier.yml"),
        "PRE_COMMIT_HOME": str(home / "pre-commit"),
        "MYPY_CACHE_DIR": str(home / "mypy"),
        "GIT_CONFIG_NOSYSTEM": "1",
        # Cookiecutter leaves the hooks it ran behind, and a stopped test its folders.
        "TMPDIR": str(home / "tmp"),
    }
    (home / "tmp").mkdir()
    os.environ.pop("COOKIECUTTER_CONFIG", None)
    return str(home)

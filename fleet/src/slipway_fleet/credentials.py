"""Tokens: from the environment, to git through askpass, to one host, never in an address or a log."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from .errors import ConfigError

_ASKPASS = """\
#!/bin/sh
# Answers git with the token of the one host it was given for.
case "$1" in
*"://$FLEET_ASK_HOST"[/:\\']* | *"@$FLEET_ASK_HOST"[/:\\']*) ;;
*) exit 1 ;;
esac
case "$1" in
Username*) echo x-access-token ;;
*) printenv FLEET_ASK_TOKEN ;;
esac
"""


@dataclass(frozen=True)
class Credentials:
    """Where a token stands.

    Attributes:
        variable: The environment variable; empty for none.
        required: Whether its absence is an error.
    """

    variable: str = ""
    required: bool = False

    def token(self) -> str:
        """Return the token, or an empty string.

        Raises:
            ConfigError: It is required and the variable is empty.
        """
        found = os.environ.get(self.variable, "") if self.variable else ""
        if self.required and not found:
            raise ConfigError(f"the variable {self.variable} holds no token")
        return found

    def environment(self, url: str, folder: Path) -> dict[str, str]:
        """Return what git needs to use the token for this address, and for no other host.

        Args:
            url: Where git will go.
            folder: Where the program that answers git may lie.
        """
        host = urlsplit(url).hostname if url.startswith("https://") else None
        token = self.token()
        if not host or not token:
            return {}
        program = folder / "askpass"
        if not program.is_file() or program.read_text() != _ASKPASS:
            folder.mkdir(parents=True, exist_ok=True)
            fresh = folder / f".askpass-{os.getpid()}"
            fresh.write_text(_ASKPASS)
            fresh.chmod(0o700)
            fresh.replace(program)
        return {
            "GIT_ASKPASS": str(program.resolve()),
            "FLEET_ASK_HOST": host,
            "FLEET_ASK_TOKEN": token,
        }

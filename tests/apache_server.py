"""Apache with mod_auth_openidc, a certified relying party, as Debian has it: a page that needs a login."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from pathlib import Path

from processes import clean_environment

MODULES = Path("/usr/lib/apache2/modules")
NEEDED = (
    "mpm_event",
    "authn_core",
    "authz_core",
    "authz_user",
    "headers",
    "status",
    "auth_openidc",
)
LIMIT_S = 60.0
NOBODY = 65534
_CONFIG = """
ServerRoot "{folder}"
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile "{folder}/pid"
ErrorLog "{folder}/error.log"
DefaultRuntimeDir "{folder}"
Mutex sem
{user}
OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID apache
OIDCClientSecret {secret}
OIDCProviderTokenEndpointAuth client_secret_basic
OIDCRedirectURI {url}/callback
OIDCDefaultLoggedOutURL {url}/goodbye
OIDCCryptoPassphrase {passphrase}
OIDCPKCEMethod S256
OIDCScope "openid email offline_access"
OIDCRemoteUserClaim email
OIDCSSLValidateServer Off
OIDCInfoHook userinfo id_token session refresh_token
<Location />
  AuthType openid-connect
  Require valid-user
  SetHandler server-status
  Header always set X-User "expr=%{{REMOTE_USER}}"
</Location>
<Location /goodbye>
  Require all granted
</Location>
"""


def installed() -> str | None:
    """Return the path of Apache, where it and the module are installed."""
    # Only administrators have that folder in their PATH.
    found = shutil.which("apache2", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))
    return found if found and (MODULES / "mod_auth_openidc.so").exists() else None


def free_port() -> int:
    """Return a port of the loopback interface that nobody has; Apache can be handed no socket."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


class Apache:
    """A running Apache.

    Attributes:
        url: Where it is.
    """

    def __init__(self, program: str, folder: Path, port: int, issuer: str, secret: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        values = {
            "folder": folder,
            "port": port,
            "issuer": issuer,
            "secret": secret,
            "url": self.url,
            "passphrase": secrets.token_urlsafe(32),
            # Where root starts it, it serves as nobody.
            "user": f"User #{NOBODY}\nGroup #{NOBODY}" if os.getuid() == 0 else "",
        }
        loaded = "".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so\n" for name in NEEDED)
        config, self._log = folder / "apache.conf", folder / "error.log"
        config.write_text(loaded + _CONFIG.format(**values))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [program, "-X", "-f", str(config)],
                cwd=folder,
                env=clean_environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + LIMIT_S
        while not self._listens(port):
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)  # between two looks

    def log(self) -> str:
        """Return what it has written."""
        return self._log.read_text("utf-8", "replace")[-3_000:]

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait(timeout=LIMIT_S)

    def _listens(self, port: int) -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

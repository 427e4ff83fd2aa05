"""The clients as a wheel: built from the template, installed where nothing of it is, and used."""

import json
import sys
import zipfile
from pathlib import Path

import pytest
from combinations import ROOT
from processes import RunIn

pytestmark = pytest.mark.slow

PROGRAM = """
import json, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from joserfc import jwk, jwt
from slipway_clients import CentralAuthSettings, CurrentUser, connect, require, verify_receipt

key = jwk.generate_key("EC", "P-256")
other = jwk.generate_key("EC", "P-256")


class Issuer(BaseHTTPRequestHandler):
    def do_GET(self):
        documents = {
            "/.well-known/openid-configuration": {"issuer": url, "jwks_uri": url + "/jwks"},
            "/jwks": {"keys": [{**key.as_dict(private=False), "kid": "1"}]},
        }
        body = json.dumps(documents[self.path]).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
url = f"http://127.0.0.1:{server.server_address[1]}"
threading.Thread(target=server.serve_forever, daemon=True).start()
app = FastAPI()
connect(app, CentralAuthSettings(issuer=url, audience="urn:acme:shop"), realm="shop")


@app.get("/me")
async def me(user: Annotated[CurrentUser, Depends(require("orders:read"))]) -> str:
    return user.subject


def token(by=key, **changes):
    now = int(time.time())
    claims = {"iss": url, "aud": "urn:acme:shop", "sub": "ada", "client_id": "spa", "jti": "1"}
    claims |= {"iat": now, "exp": now + 60, "permissions": ["orders:read"], **changes}
    return jwt.encode({"alg": "ES256", "kid": "1", "typ": "at+jwt"}, claims, by)


with TestClient(app, base_url="http://localhost") as client:
    def ask(text):
        answer = client.get("/me", headers={"authorization": f"Bearer {text}"} if text else {})
        challenge = answer.headers.get("www-authenticate", "").partition(",")[0]
        return [answer.status_code, answer.headers["content-type"], challenge]

    said = [ask(token()), ask(""), ask(token(aud="urn:acme:other")), ask(token(by=other))]
    said.append(ask(token(permissions=[])))
    said.append(client.get("/me", headers={"authorization": f"Bearer {token()}"}).json())
server.shutdown()
print(json.dumps(said))
"""


def test_wheel_checks_tokens_in_a_project_that_the_template_did_not_make(
    run_in: RunIn, uv: str, tmp_path: Path
) -> None:
    script = ROOT / "scripts/clients_wheel.py"
    built = run_in(ROOT, sys.executable, script, tmp_path / "dist", "--version", "1.2.3")
    wheel = Path(built.stdout.splitlines()[-1])
    assert wheel.name == "slipway_clients-1.2.3-py3-none-any.whl"
    packages = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert packages == {"slipway_clients", "slipway_clients-1.2.3.dist-info"}
    run_in(tmp_path, uv, "venv", "--quiet", "--python", sys.executable, "made")
    python = tmp_path / "made/bin/python"
    known = ("--constraint", ROOT / "requirements/rendered.txt")
    install = (uv, "pip", "install", "--quiet", "--python", python, *known, wheel)
    run_in(tmp_path, *install, online=True)
    (tmp_path / "shop.py").write_text(PROGRAM)
    said = json.loads(run_in(tmp_path, python, "shop.py").stdout.splitlines()[-1])
    problem, basic = "application/problem+json", 'Bearer realm="shop"'
    assert said == [
        [200, "application/json", ""],
        [401, problem, basic],
        [401, problem, basic],
        [401, problem, basic],
        [403, problem, basic],
        "ada",
    ]

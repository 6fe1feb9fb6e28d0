"""A double of ours: an issuer that signs whatever a test tells it to. For id tokens that no honest provider would hand out."""

from __future__ import annotations

import base64
import hmac
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jws, jwt
from joserfc.jwk import ECKey, RSAKey

CLIENT = "deputy-desk"


class Issuer:
    """Metadata, keys and a token endpoint. Set `claims`, `alg`, `key` or `metadata` before a sign-in."""

    def __init__(self) -> None:
        self.own = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
        self.other = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})  # says that it is the same
        self.curve = ECKey.generate_key("P-256", {"kid": "two", "use": "sig"})
        self.published: list[Any] = [self.own, self.curve]
        self.claims: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.alg, self.key, self.kid = "RS256", "own", "one"
        self.nonce = ""
        self.seen: list[Mapping[str, list[str]]] = []
        self.url = ""

    def about(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
        } | self.metadata

    def token(self) -> str:
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": "42",
            "iat": now,
            "exp": now + 300,
            "nonce": self.nonce,
            "email": "aisha.weber@brightwater.example",
            "email_verified": True,
        } | self.claims
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": self.alg, "kid": self.kid}
        if self.alg in ("none", "HS256"):
            signed = ".".join(_b64(json.dumps(part).encode()) for part in (header, claims))
            secrets = {
                "public text": self.own.as_pem(private=False),  # the classic mix-up of a public key for a shared secret
                "client secret": b"a secret that only the provider and the desk know",
            }
            by = secrets.get(self.key)
            return f"{signed}.{_b64(hmac.digest(by, signed.encode(), 'sha256')) if by is not None else ''}"
        keys: dict[str, Any] = {"own": self.own, "other": self.other, "curve": self.curve}
        return jwt.encode(header, claims, keys[self.key], registry=jws.JWSRegistry(algorithms=[self.alg]))


def _b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


@contextmanager
def running() -> Iterator[Issuer]:
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path.startswith("/.well-known"):
                return self._say(issuer.about())
            if path == "/keys":
                return self._say({"keys": [key.as_dict(private=False) for key in issuer.published]})
            self.send_error(404)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            issuer.seen.append(parse_qs(body))
            self._say({"access_token": "a", "token_type": "Bearer", "id_token": issuer.token()})

        def _say(self, document: Any) -> None:
            content = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)

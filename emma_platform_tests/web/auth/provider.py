"""A small OpenID Connect provider on this machine, which says of everybody what it is told to."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey

CLIENT, SECRET = "emma", "the provider's secret"


class Provider(ThreadingHTTPServer):
    """The provider; `claims` is what it says of who signs in, `key` what it signs with."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.issuer = f"http://127.0.0.1:{self.server_port}"
        self.claims: dict[str, Any] = {"preferred_username": "anna"}
        self.key = ECKey.generate_key("P-256", {"kid": "1", "use": "sig", "alg": "ES256"})
        self.published = self.key
        self.codes: dict[str, dict[str, str]] = {}
        threading.Thread(target=self.serve_forever, args=(0.05,)).start()

    def authorize(self, asked: dict[str, str]) -> str:
        """Where the browser is sent back to, with a code."""
        code = f"code {len(self.codes)}"
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, asked: dict[str, str], authorization: str) -> dict[str, Any] | None:
        """The token for a code, to who asked for the code and has the other half of its challenge; once."""
        begun = self.codes.pop(asked["code"], None)
        known = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(asked["code_verifier"].encode()).digest()).decode()
        if begun is None or authorization != known or challenge.rstrip("=") != begun["code_challenge"]:
            return None
        now = int(time.time())
        said = {"iss": self.issuer, "aud": CLIENT, "sub": "1", "iat": now, "exp": now + 60, "nonce": begun["nonce"]}
        token = jwt.encode({"alg": "ES256", "kid": "1"}, said | self.claims, self.key)
        return {"access_token": "x", "token_type": "Bearer", "expires_in": 60, "id_token": token}


class _Answers(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        if place.path == "/authorize":
            asked = {name: values[0] for name, values in parse_qs(place.query).items()}
            self.send_response(302)
            self.send_header("Location", self.server.authorize(asked))
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif place.path == "/keys":
            self._send({"keys": [self.server.published.as_dict(private=False)]})
        else:
            issuer = self.server.issuer
            self._send({
                "issuer": issuer, "authorization_endpoint": f"{issuer}/authorize", "token_endpoint": f"{issuer}/token",
                "jwks_uri": f"{issuer}/keys", "id_token_signing_alg_values_supported": ["ES256"],
            })  # fmt: skip

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        asked = {name: values[0] for name, values in parse_qs(body).items()}
        token = self.server.token(asked, self.headers.get("Authorization", ""))
        self._send(token or {"error": "invalid_grant"}, 200 if token else 400)

    def _send(self, answer: dict[str, Any], status: int = 200) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_said: object) -> None:
        pass

"""A certified OpenID provider that none of us wrote: oidc-provider (npm, MIT), pinned, on a free loopback port; and its user's browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from tests.services import npm

PACKAGE = "oidc-provider"
VERSION = "9.13.3"
CLIENT = "deputy-desk"
SECRET = "a secret that only the provider and the desk know"
SCRIPT = Path(__file__).parent / "oidc.mjs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A running one."""

    issuer: str

    def sign_in(self, url: str, account: str) -> str:
        """Where the provider sends the browser in the end, after its person has signed in and agreed. Never follows it there."""
        with requests.Session() as browser:
            return self._sign_in(browser, url, account)

    def _sign_in(self, browser: requests.Session, url: str, account: str) -> str:
        answer = browser.get(url, allow_redirects=False, timeout=10)
        for _ in range(12):
            if answer.is_redirect:
                there = urljoin(answer.url, answer.headers["location"])
                if urlsplit(there).netloc != urlsplit(self.issuer).netloc:
                    return there
                answer = browser.get(there, allow_redirects=False, timeout=10)
                continue
            form = re.search(r'action="([^"]+)"', answer.text)
            prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
            assert form is not None and prompt is not None, answer.text[-800:]
            said = {"prompt": prompt[1], "login": account, "password": "any"}
            answer = browser.post(unescape(form[1]), data=said, allow_redirects=False, timeout=10)
        raise AssertionError("the provider went round in circles")


@contextmanager
def running(
    folder: Path, accounts: Mapping[str, Mapping[str, Any]], redirect_uri: str, *, in_token: bool, secret: str | None
) -> Iterator[Provider]:
    """`in_token`: whether the id token holds what the scopes ask for; else the userinfo endpoint alone. `secret` None: a public client."""
    modules = npm.modules(f"{PACKAGE}-{VERSION}", f"{PACKAGE}@{VERSION}")
    port = npm.free_port()
    client = {
        "client_id": CLIENT,
        "redirect_uris": [redirect_uri],
        "post_logout_redirect_uris": [urljoin(redirect_uri, "/signin")],
        "token_endpoint_auth_method": "none" if secret is None else "client_secret_basic",
        **({} if secret is None else {"client_secret": secret}),
    }
    file = folder / "provider.json"
    file.write_text(json.dumps({"accounts": accounts, "client": client, "in_token": in_token}))
    with npm.running(SCRIPT, [str(modules), str(port), str(file)], port=port, log=folder / "provider.log"):
        yield Provider(issuer=f"http://127.0.0.1:{port}")

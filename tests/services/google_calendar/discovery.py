"""What the discovery document in google-api-python-client says of Calendar v3, made into checks of requests.

Routes, path and query parameters, body schemas and scopes come from that document, so a request that passes here has the names
and types that Google publishes. What the service then does with it is not in the document.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator

_TRUTH = {"true": True, "false": False}


class Refusal(Exception):
    """An error answer in Google's shape: HTTP status, reason, message."""

    def __init__(self, status: int, reason: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def body(self) -> dict[str, Any]:
        one = {"domain": "global", "reason": self.reason, "message": self.message}
        return {"error": {"code": self.status, "message": self.message, "errors": [one]}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One method of the document, e.g. "calendar.events.insert"."""

    method_id: str
    http_method: str
    pattern: re.Pattern[str]
    parameters: Mapping[str, Mapping[str, Any]]
    request_schema: str | None
    scopes: frozenset[str]


class Discovery:
    """The document, indexed."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.root = "/" + document["servicePath"]
        self._common = document["parameters"]
        self._methods = [
            self._method(one) for resource in document["resources"].values() for one in resource["methods"].values()
        ]
        self._definitions = {name: _json_schema(schema) for name, schema in document["schemas"].items()}

    def _method(self, one: Mapping[str, Any]) -> Method:
        parts = re.split(r"\{(\w+)\}", one["path"])
        pattern = "".join(f"(?P<{part}>[^/]+)" if index % 2 else re.escape(part) for index, part in enumerate(parts))
        return Method(
            method_id=one["id"],
            http_method=one["httpMethod"],
            pattern=re.compile(pattern),
            parameters=one.get("parameters", {}),
            request_schema=one.get("request", {}).get("$ref"),
            scopes=frozenset(one.get("scopes", ())),
        )

    def route(self, http_method: str, path: str) -> tuple[Method, dict[str, str]]:
        """The method that a request line names, with the values in its path. Refusal 404 for any other."""
        for method in self._methods:
            match = method.pattern.fullmatch(path.removeprefix(self.root))
            if match is not None and method.http_method == http_method and path.startswith(self.root):
                return method, {name: unquote(value) for name, value in match.groupdict().items()}
        raise Refusal(404, "notFound", "Not Found")

    def read_query(self, method: Method, query: Mapping[str, list[str]]) -> dict[str, Any]:
        """Query parameters in their own types; repeated ones as lists. Refusal 400 for what the document does not have."""
        values: dict[str, Any] = {}
        for name, texts in query.items():
            schema = method.parameters.get(name) or self._common.get(name)
            if schema is None or schema["location"] != "query":
                raise Refusal(400, "invalidParameter", f"Unknown parameter {name!r} of {method.method_id}")
            if len(texts) > 1 and not schema.get("repeated"):
                raise Refusal(400, "invalidParameter", f"Parameter {name!r} is given twice")
            read = [_value(name, schema, text) for text in texts]
            values[name] = read if schema.get("repeated") else read[0]
        return values

    def check_body(self, method: Method, body: Any) -> None:
        """Refusal 400 for a body that is not of the method's request schema, unknown fields included."""
        if method.request_schema is None:
            if body is not None:
                raise Refusal(400, "parseError", f"{method.method_id} takes no body")
            return
        schema = {"$ref": f"#/$defs/{method.request_schema}", "$defs": self._definitions}
        for error in Draft202012Validator(schema).iter_errors({} if body is None else body):
            where = "/".join(str(part) for part in error.absolute_path)
            raise Refusal(400, "invalid", f"{where or 'body'}: {error.message}")


def _value(name: str, schema: Mapping[str, Any], text: str) -> Any:
    if text not in schema.get("enum", [text]):
        raise Refusal(400, "invalidParameter", f"Invalid value for {name}: {text}")
    match schema["type"]:
        case "boolean":
            if text not in _TRUTH:
                raise Refusal(400, "invalidParameter", f"{name} is no boolean")
            return _TRUTH[text]
        case "integer":
            if not re.fullmatch(r"-?\d+", text) or int(text) < int(schema.get("minimum", text)):
                raise Refusal(400, "invalidParameter", f"{name} is out of range")
            return int(text)
        case _:
            return text


def _json_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A discovery schema as JSON Schema; null is allowed everywhere, because patch deletes with it."""
    if "$ref" in schema:
        return {"anyOf": [{"$ref": f"#/$defs/{schema['$ref']}"}, {"type": "null"}]}
    result: dict[str, Any] = {} if schema["type"] == "any" else {"type": [schema["type"], "null"]}
    if "properties" in schema:
        result["properties"] = {name: _json_schema(one) for name, one in schema["properties"].items()}
        result["additionalProperties"] = False
    if "additionalProperties" in schema:
        result["additionalProperties"] = _json_schema(schema["additionalProperties"])
    if "items" in schema:
        result["items"] = _json_schema(schema["items"])
    return result


@lru_cache(maxsize=1)
def load() -> Discovery:
    """From the package as installed; nothing is fetched."""
    import googleapiclient

    folder = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
    return Discovery(json.loads((folder / "calendar.v3.json").read_text(encoding="utf-8")))

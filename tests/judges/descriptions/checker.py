"""Holds recorded provider calls against an OpenAPI description, and the checker itself against nonsense."""

import json
import urllib.parse

from openapi_core import OpenAPI
from openapi_core.templating.paths.exceptions import PathError
from openapi_core.templating.paths.finders import APICallPathFinder
from openapi_core.templating.responses.exceptions import ResponseNotFound
from openapi_core.testing import MockRequest, MockResponse
from werkzeug.datastructures import Headers, ImmutableMultiDict


def reasons(error):
    """The innermost words of an error, and what caused it."""
    told, seen = [], 0
    while error is not None and seen < 10:
        inner = getattr(error, "schema_errors", None)
        if inner:
            told += [f"{'/'.join(str(p) for p in one.absolute_path) or '(top)'}: {one.message[:200]}" for one in inner]
        else:
            told.append(f"{type(error).__name__}: {str(error)[:200]}")
        error, seen = error.__cause__ or error.__context__, seen + 1
    return "; ".join(told)


class Description:
    """One description, and where the calls of an element would go by it."""

    def __init__(self, document, place, repairs=()):
        # The recorded calls have no credentials.
        document.pop("security", None)
        for item in document["paths"].values():
            for operation in item.values():
                if isinstance(operation, dict):
                    operation.pop("security", None)
        for repair in repairs:
            repair(document)
        self.document, self.place = document, place
        self.openapi = OpenAPI.from_dict(document)
        self.finder = APICallPathFinder(self.openapi.spec)
        self.used = {}

    def _sent(self, call, host, path, body=None):
        headers = {name: value for name, value in call["headers"].items() if name not in ("authorization", "content-length")}
        kind = headers.get("content-type", "application/json")
        request = MockRequest(host, call["method"].lower(), path, headers=headers, data=call["sent"] if body is None else body, content_type=kind)
        # The names repeat, and the values are what they are: neither survives a plain dictionary.
        pairs = urllib.parse.parse_qsl(call.get("query") or "", keep_blank_values=True)
        request.parameters.query = ImmutableMultiDict(pairs)
        request.parameters.header = Headers(headers)
        return request

    def _said(self, call, body=None):
        headers = call["response_headers"]
        kind = headers.get("content-type", "application/json").split(";")[0]
        data = call["said"] if body is None else body
        return MockResponse(data, status_code=call["status"], headers=headers, content_type=kind)

    def check(self, call):
        """What is wrong with the call, as a list; None when the description does not have it."""
        placed = self.place(call)
        if placed is None:
            return None
        host, path = placed
        request = self._sent(call, host, path)
        try:
            found = self.finder.find(call["method"].lower(), host + path).path_result.pattern
        except PathError:
            return None
        wrong = []
        accepted = call["status"] < 400
        if accepted and call["whole_request"]:
            wrong += self._tell("request", lambda: self.openapi.validate_request(request))
        # Where the answer is elsewhere there is no body, which no description says.
        elsewhere = "location" in call["response_headers"] and not call["said"]
        if call["whole_response"] and not elsewhere:
            try:
                self.openapi.validate_response(request, self._said(call))
            except ResponseNotFound as error:
                # Errors that are not described are not checked, but a success must be.
                wrong += [] if call["status"] >= 400 else [f"answer: {reasons(error)}"]
            except Exception as error:  # whatever the checker raises is a refusal
                wrong.append(f"answer: {reasons(error)}")
        if accepted and not wrong:
            self.used.setdefault((call["method"], found), call)
        return wrong

    @staticmethod
    def _tell(what, validate):
        try:
            validate()
            return []
        except Exception as error:  # whatever the checker raises is a refusal
            return [f"{what}: {reasons(error)}"]

    def canaries(self):
        """(operation, what was refused, what was not) of each operation that a good call has used."""
        for (method, pattern), call in sorted(self.used.items()):
            host, path = self.place(call)
            refused, taken = [], []
            kind = call["headers"].get("content-type", "")
            if call["sent"] and kind.startswith("application/json"):
                for nonsense in self._nonsense(call["sent"]):
                    request = self._sent(call, host, path, nonsense)
                    wrong = self._tell("", lambda: self.openapi.validate_request(request))
                    (refused if wrong else taken).append(f"request {nonsense[:60]!r}")
            kind = call["response_headers"].get("content-type", "")
            if call["said"] and kind.startswith("application/json"):
                request = self._sent(call, host, path)
                for nonsense in self._nonsense(call["said"]):
                    wrong = self._tell("", lambda: self.openapi.validate_response(request, self._said(call, nonsense)))
                    (refused if wrong else taken).append(f"answer {nonsense[:60]!r}")
            yield f"{method} {pattern}", refused, taken

    @staticmethod
    def _nonsense(body):
        """Bodies of another shape: a text, a list for an object, and the body's own members of another type, all of them."""
        yield b'"nonsense"'
        try:
            body = json.loads(body)
        except ValueError:
            return
        if isinstance(body, dict):
            yield b"[[1]]"
            yield json.dumps({name: [[1]] for name in body}).encode()
        else:
            yield b'{"nonsense": 1}'

"""Holds recorded calls of Dropbox against the types in Dropbox's own package."""

import importlib
import json
import re

from stone.backends.python_rsrc import stone_serializers, stone_validators


class Types:
    """The routes of every namespace the calls used."""

    def __init__(self):
        self.used = {}

    @staticmethod
    def route(path):
        found = re.fullmatch(r"/2/([a-z_]+)/(.+?)(?:_v(\d+))?", path)
        if not found:
            return None
        namespace, name, version = found.groups()
        try:
            routes = importlib.import_module(f"dropbox.{namespace}").ROUTES
        except ImportError:
            return None
        return routes.get(f"{name}:{version}" if version else name)

    @staticmethod
    def decode(kind, text):
        """Why the text is not of this type, as a list."""
        try:
            stone_serializers.json_compat_obj_decode(kind, json.loads(text or b"null"), strict=True)
            return []
        except (stone_validators.ValidationError, ValueError) as error:
            return [str(error)[:300]]

    @staticmethod
    def parts(call, route):
        """The argument's text and the result's."""
        style = route.attrs["style"]
        argument = call["sent"] if style == "rpc" else call["headers"].get("dropbox-api-arg", "").encode()
        result = call["response_headers"].get("dropbox-api-result", "").encode() if style == "download" else call["said"]
        return argument, result

    def check(self, call):
        route = self.route(call["path"])
        if route is None:
            return None
        argument, result = self.parts(call, route)
        wrong = []
        if call["status"] == 200:
            wrong += [f"request: {told}" for told in self.decode(route.arg_type, argument)]
            wrong += [f"answer: {told}" for told in self.decode(route.result_type, result)]
            if not wrong:
                self.used.setdefault(call["path"], call)
        elif call["status"] == 409:
            try:
                error = json.dumps(json.loads(result or call["said"])["error"])
            except (ValueError, KeyError) as missing:
                return [f"answer: an error without its `error`: {missing}"]
            wrong += [f"answer: {told}" for told in self.decode(route.error_type, error)]
        return wrong

    def canaries(self):
        for path, call in sorted(self.used.items()):
            route = self.route(path)
            refused, taken = [], []
            for what, kind in (("request", route.arg_type), ("answer", route.result_type)):
                for nonsense in ('{"nonsense": 1}', '"nonsense"'):
                    wrong = self.decode(kind, nonsense)
                    (refused if wrong else taken).append(f"{what} {nonsense}")
            yield path, refused, taken

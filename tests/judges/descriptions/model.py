"""Holds recorded calls of a store against a service model in botocore's form (rest-xml): operations, members, XML."""

import json
import urllib.parse
import xml.etree.ElementTree as ElementTree

from datetime import datetime
from email.utils import parsedate_to_datetime

# Of the signature, which the model does not describe.
SIGNING = {"x-amz-date", "x-amz-content-sha256", "x-amz-security-token"}


def bare(tag):
    return tag.rsplit("}", 1)[-1]


class Model:
    """The operations of one model."""

    def __init__(self, path):
        document = json.loads(path.read_text())
        self.operations, self.shapes = document["operations"], document["shapes"]
        self.used = {}

    def members(self, shape, location=None):
        """Name in the message → its shape, of the members that travel in `location` (in the body without one)."""
        members = self.shapes[shape].get("members", {}) if shape else {}
        return {
            member.get("locationName", name): member
            for name, member in members.items()
            if member.get("location") == location
        }

    def required(self, shape, location):
        described = self.shapes[shape] if shape else {}
        return {
            member.get("locationName", name).lower()
            for name, member in described.get("members", {}).items()
            if member.get("location") == location and name in described.get("required", [])
        }

    def operation(self, call):
        """The operation that the call is: of those that fit the one that demands most."""
        bucket, _, key = urllib.parse.urlsplit(call["path"]).path.lstrip("/").partition("/")
        if not bucket:
            return None
        query = self.query(call)
        headers = {name.lower() for name in call["headers"]}
        best = None
        for name, operation in self.operations.items():
            uri, _, flags = operation["http"]["requestUri"].partition("?")
            flags = dict(urllib.parse.parse_qsl(flags, keep_blank_values=True))
            if operation["http"]["method"] != call["method"] or ("{Key+}" in uri) != bool(key):
                continue
            shape = operation.get("input", {}).get("shape")
            asked = self.required(shape, "querystring")
            if any(query.get(flag) != value for flag, value in flags.items() if flag != "x-id"):
                continue
            if not asked <= {given.lower() for given in query} or not self.required(shape, "header") <= headers:
                continue
            weight = len([flag for flag in flags if flag != "x-id"]) + len(asked) + len(self.required(shape, "header"))
            if best is None or weight > best[0]:
                best = (weight, name, operation, set(flags))
        return best and best[1:]

    @staticmethod
    def query(call):
        text = call.get("query") or urllib.parse.urlsplit(call["path"]).query
        return dict(urllib.parse.parse_qsl(text.lstrip("?"), keep_blank_values=True))

    def scalar(self, shape, text, where):
        """Why the text is not of this type, as a list."""
        described, text = self.shapes[shape], text or ""
        kind = described["type"]
        try:
            if kind in ("integer", "long"):
                int(text)
            elif kind == "boolean" and text not in ("true", "false"):
                raise ValueError("neither true nor false")
            elif kind == "timestamp":
                datetime.fromisoformat(text.replace("Z", "+00:00")) if text[:4].isdigit() else parsedate_to_datetime(text)
            elif kind == "string" and text and "enum" in described and text not in described["enum"]:
                raise ValueError(f"none of {described['enum'][:4]}…")
        except (TypeError, ValueError) as wrong:
            return [f"{where}: `{text[:60]}`: {wrong}"]
        return []

    def element(self, shape, node, where):
        """Why the XML element is not of this shape, as a list."""
        described = self.shapes[shape]
        if described["type"] == "list":
            member = described["member"]
            name, wrong = member.get("locationName", "member"), []
            for child in node:
                told = f"{where}/{bare(child.tag)}"
                wrong += self.element(member["shape"], child, told) if bare(child.tag) == name else [f"{told}: unknown"]
            return wrong
        if described["type"] != "structure":
            return self.scalar(shape, node.text, where)
        names, wrong = {}, []
        for name, member in described.get("members", {}).items():
            if member.get("location") or member.get("xmlAttribute"):
                continue
            inner = self.shapes[member["shape"]]
            if inner["type"] == "list" and (inner.get("flattened") or member.get("flattened")):
                tag = inner["member"].get("locationName") or member.get("locationName", name)
                names[tag] = names[member.get("locationName", name)] = (name, inner["member"]["shape"])
            else:
                names[member.get("locationName", name)] = (name, member["shape"])
        seen = set()
        for child in node:
            tag = bare(child.tag)
            if tag not in names:
                wrong.append(f"{where}/{tag}: unknown")
                continue
            seen.add(names[tag][0])
            wrong += self.element(names[tag][1], child, f"{where}/{tag}")
        wanted = {name for name, _ in names.values()} & set(described.get("required", []))
        return wrong + [f"{where}: `{name}` is missing" for name in sorted(wanted - seen)]

    def body(self, shape, text):
        """Why the body is not what the shape of a request or an answer says, as a list."""
        described = self.shapes[shape] if shape else {}
        payload = described.get("payload")
        if payload:
            member = described["members"][payload]
            if self.shapes[member["shape"]]["type"] != "structure":
                return []
            shape, name = member["shape"], member.get("locationName", member["shape"])
        else:
            name = None
            if not self.members(shape):
                return [f"a body of {len(text)} bytes where there is none"] if text.strip() else []
        if not text.strip():
            return [] if not payload or payload not in described.get("required", []) else ["the body is missing"]
        try:
            root = ElementTree.fromstring(text)
        except ElementTree.ParseError as wrong:
            return [f"no XML: {wrong}"]
        if name and bare(root.tag) not in (name, shape):
            return [f"the body is `{bare(root.tag)}`, not `{name}`"]
        return self.element(shape, root, bare(root.tag))

    def asked(self, call, operation, flags):
        shape = operation.get("input", {}).get("shape")
        known, wrong = self.members(shape, "querystring"), []
        for name, value in self.query(call).items():
            if name in known:
                inner = self.shapes[known[name]["shape"]]
                wrong += self.scalar(known[name]["shape"], value, f"?{name}") if inner["type"] != "list" else []
            elif name not in flags and not name.startswith("X-Amz-"):
                wrong.append(f"?{name}: unknown")
        known = {name.lower(): member for name, member in self.members(shape, "header").items()}
        free = [name.lower() for name in self.members(shape, "headers")]
        for name, value in call["headers"].items():
            name = name.lower()
            if name in known:
                wrong += self.scalar(known[name]["shape"], value, name)
            elif name.startswith("x-amz-") and name not in SIGNING and not any(name.startswith(one) for one in free):
                wrong.append(f"{name}: unknown")
        return wrong + (self.body(shape, call["sent"]) if call["whole_request"] else [])

    def said(self, call, operation):
        if call["status"] >= 300:
            if call["method"] == "HEAD" or call["status"] == 304:
                return []
            try:
                root = ElementTree.fromstring(call["said"])
            except ElementTree.ParseError as wrong:
                return [f"an error that is no XML: {wrong}"]
            missing = {"Code", "Message"} - {bare(child.tag) for child in root}
            return [f"an error without {sorted(missing)}"] if bare(root.tag) != "Error" or missing else []
        shape, wrong = operation.get("output", {}).get("shape"), []
        if call["status"] not in (operation["http"].get("responseCode", 200), 200, 206):
            wrong.append(f"the status {call['status']}")
        known = {name.lower(): member for name, member in self.members(shape, "header").items()}
        for name, value in call["response_headers"].items():
            if name.lower() in known:
                wrong += self.scalar(known[name.lower()]["shape"], value, name.lower())
        if call["method"] == "HEAD" or not call["whole_response"]:
            return wrong
        # What a plain download answers is the file.
        return wrong + self.body(shape, call["said"])

    def check(self, call):
        found = self.operation(call)
        if found is None:
            return None
        name, operation, flags = found
        wrong = [f"request: {told}" for told in self.asked(call, operation, flags)]
        wrong += [f"answer: {told}" for told in self.said(call, operation)]
        if not wrong and call["status"] < 300:
            self.used.setdefault(name, call)
        return [f"{name}: {told}" for told in wrong]

    def canaries(self):
        for name, call in sorted(self.used.items()):
            _, operation, flags = self.operation(call)
            refused, taken = [], []
            strange = dict(call, query=f"{call.get('query') or ''}&nonsense=1".lstrip("&"))
            headed = dict(call, headers=dict(call["headers"], **{"x-amz-nonsense": "1"}))
            for what, wrong in (("query", self.asked(strange, operation, flags)), ("header", self.asked(headed, operation, flags))):
                (refused if wrong else taken).append(what)
            for what, shape, text in (("request", "input", call["sent"]), ("answer", "output", call["said"])):
                shape = operation.get(shape, {}).get("shape")
                if text.strip().startswith(b"<") and (self.members(shape) or self.shapes[shape].get("payload")):
                    wrong = self.body(shape, b"<Nonsense><nonsense/></Nonsense>")
                    (refused if wrong else taken).append(what)
            yield name, refused, taken

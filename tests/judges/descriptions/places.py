"""Where each description's calls go, and what in it is known not to be so."""

import json
import re


def schemas(node, name=""):
    """Every object of the document with the name it has, the inner ones first."""
    if isinstance(node, dict):
        for key, value in list(node.items()):
            yield from schemas(value, key)
        yield name, node
    elif isinstance(node, list):
        for value in node:
            yield from schemas(value)


ABSENT = ("shared_link", "trashed_by", "restored_by")


def relax_box(document):
    """What Box's file says against itself.

    Members that are `nullable`, or said to be set to null, may not be null for what `allOf` puts beside the word; some members are required that no
    schema has; and lists of tags, which must not be empty in the file, are so for everything without tags.
    """
    for name, schema in schemas(document):
        if name == "tags":
            for _, part in schemas(schema):
                part.pop("minItems", None)
        if isinstance(schema.get("required"), list) and isinstance(schema.get("properties"), dict):
            schema["required"] = [one for one in schema["required"] if one in schema["properties"]] or ["type"]
            if schema["required"] == ["type"] and "type" not in schema["properties"]:
                del schema["required"]
        if isinstance(schema.get("allOf"), list) and (schema.get("nullable") is True or name in ABSENT):
            inner = {"allOf": schema.pop("allOf")}
            schema.update({"nullable": True, "anyOf": [inner, {"nullable": True, "enum": [None]}]})


def relax_graph(document):
    """Annotations (`@…`) are texts, where the description types all further members as objects."""
    for _, schema in schemas(document):
        if schema.get("additionalProperties") == {"type": "object"}:
            schema["additionalProperties"] = True


STAMP = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?(Z|[+-]\d\d:?\d\d)$"


# Standard fields of every organization, which the one that the description was made from does not show.
HIDDEN = {"ContactSObject": ("DoNotCall", "HasOptedOutOfEmail"), "LeadSObject": ("DoNotCall", "HasOptedOutOfEmail")}


def relax_salesforce(document):
    """Fields without a value are null, which no schema allows; and zones are written without a colon."""
    for name, fields in HIDDEN.items():
        for field in fields:
            document["components"]["schemas"][name]["properties"].setdefault(field, {"type": "boolean"})
    for _, schema in schemas(document.get("components", {})):
        if isinstance(schema.get("properties"), dict):
            for name, member in list(schema["properties"].items()):
                if "type" in member:
                    member["nullable"] = True
                elif "$ref" in member:
                    schema["properties"][name] = {"nullable": True, "anyOf": [member, {"nullable": True, "enum": [None]}]}
                if member.get("format") == "date-time":
                    del member["format"]
                    member["pattern"] = STAMP


def box(call):
    path = call["path"]
    if path.startswith("/2.0/"):
        return "https://api.box.com", path
    if path.startswith("/api/2.0/"):
        return "https://upload.box.com", path
    return None


def googledrive(call):
    """An upload of two parts is held against the call without a content: its first part is that call's body."""
    path = call["path"]
    kind = call["headers"].get("content-type", "")
    if path.startswith("/upload/drive/v3/") and kind.startswith("multipart/related"):
        boundary = kind.partition("boundary=")[2].strip('"').encode()
        parts = call["sent"].split(b"--" + boundary)
        if len(parts) == 4 and parts[3].strip() == b"--":
            call["headers"]["content-type"] = "application/json"
            call["sent"] = parts[1].partition(b"\r\n\r\n")[2].strip()
            call["path"] = path = path.removeprefix("/upload")
    return ("https://www.googleapis.com", path) if re.match(r"/(upload/)?drive/v3/", path) else None


def salesforce(call):
    """Custom fields are each organization's own."""
    path = call["path"]
    if not call.get("standard") and "/sobjects/" in path and not path.endswith("/describe"):
        call["standard"] = True
        for body in ("sent", "said"):
            if call[body][:1] == b"{":
                members = json.loads(call[body])
                call[body] = json.dumps({name: value for name, value in members.items() if not name.endswith("__c")}).encode()
    # An object's own path would be taken for that of a record called so.
    path = re.sub(r"/sobjects/\w+/describe$", "/sobjects/Any/describe", path)
    return ("https://example.my.salesforce.com", path) if path.startswith("/services/data/v59.0/") else None


def graph(call):
    """By the drive's id and the item's: the other spellings of the same requests are not described."""
    path = call["path"]
    if not path.startswith("/v1.0/"):
        return None
    told = path
    path = re.sub(r"^/v1\.0/(me|sites/[^/]+|users/[^/]+|groups/[^/]+)/drive(?=/|$)", "/v1.0/drives/own", path)
    path = re.sub(r"/items/([^/:]+):/[^:]+(:|$)", r"/items/\1", path)
    path = re.sub(r"/root:/[^:]+(:|$)", "/items/byPath", path)
    path = re.sub(r"/root/(?!content$)", "/items/root/", path)
    if told != path and not call.get("respelt"):
        call["respelt"] = True
        graph.respelt += 1
    return "https://graph.microsoft.com", path


graph.respelt = 0

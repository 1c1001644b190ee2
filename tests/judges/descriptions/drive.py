"""Drives the hubs over an element of a running demo, as far as the element's capability matrix goes."""

import json
import urllib.error
import urllib.parse
import urllib.request


class Demo:
    """What `hubgate demo --json` told."""

    def __init__(self, told):
        self.told = told

    def send(self, method, url, body=None, headers=None):
        request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def control(self, element, method, path, document=None):
        body = None if document is None else json.dumps(document).encode()
        url = self.told["sandboxes"][element]["control"] + path
        status, _, answer = self.send(method, url, body, {"Content-Type": "application/json"})
        assert status < 300, f"{method} {url}: {status} {answer[:300]!r}"
        return json.loads(answer or b"null")


class Element:
    """One connected element."""

    def __init__(self, demo, key):
        self.demo, self.key = demo, key
        self.headers = {"Authorization": f"Element {demo.told['instances'][key]['token']}"}
        status, _, told = demo.send("GET", f"{demo.told['baseUrl']}/elements/{key}/metadata?expand=true")
        assert status == 200, told
        told = json.loads(told)
        self.hub, self.can = told["hub"], told["capabilities"]
        self.calls, self.failures = 0, []

    def does(self, operation):
        resource, verb = operation.split(".")
        return self.can.get(resource, {}).get("operations", {}).get(verb, {}).get("supported") is True

    def creates(self, resource, field):
        return self.can[resource].get("fields", {}).get(field, {}).get("create") is True

    def call(self, operation, method, path, query=None, document=None, body=None, kind=None, expect=200):
        """A call that the element can do; what goes wrong is told at the end. Gives the answer's JSON, or None."""
        if operation and not self.does(operation):
            return None
        headers = dict(self.headers)
        if document is not None:
            body, kind = json.dumps(document).encode(), "application/json"
        if kind:
            headers["Content-Type"] = kind
        if query:
            path = f"{path}?{urllib.parse.urlencode(query)}"
        status, self.answer_headers, answer = self.demo.send(method, self.demo.told["baseUrl"] + path, body, headers)
        self.calls += 1
        if status != expect:
            self.failures.append(f"{self.key}: {method} {path}: {status} {answer[:400]!r}, where {expect} should be")
            return None
        try:
            return json.loads(answer)
        except ValueError:
            return {}

    def upload(self, path, data, **query):
        boundary = "judges-boundary"
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="x"\r\nContent-Type: text/plain\r\n\r\n'
        body = head.encode() + data + f"\r\n--{boundary}--\r\n".encode()
        query = {"path": path, "size": len(data), **query}
        return self.call("files.upload", "POST", "/files", query, body=body, kind=f"multipart/form-data; boundary={boundary}")


def documents(hub):
    """The documents hub: what the sequence makes is gone at its end."""
    hub.call("folders.create", "POST", "/folders", document={"path": "/Judge/Sub folder"})
    made = hub.upload("/Judge/plan.txt", b"first")
    hub.upload("/Judge/plan.txt", b"second!", overwrite="true")
    for name in ("a b+é.txt", "c.txt"):
        hub.upload(f"/Judge/Sub folder/{name}", b"x")
    at = {"path": "/Judge/plan.txt"}
    identity = (made or {}).get("id", "none")
    hub.call("files.download", "GET", "/files", at)
    hub.call("files.download", "GET", f"/files/{identity}")
    hub.call("files.getMetadata", "GET", "/files/metadata", at)
    hub.call("files.getMetadata", "GET", f"/files/{identity}/metadata")
    hub.call("files.getMetadata", "GET", "/files/metadata", {"path": "/Judge/missing.txt"}, expect=404)
    hub.call("folders.getMetadata", "GET", "/folders/metadata", {"path": "/Judge"})
    hub.call("folders.listContents", "GET", "/folders/contents", {"path": "/"})
    hub.call("folders.listContents", "GET", "/folders/contents", {"path": "/Judge/Sub folder", "pageSize": 1})
    token = hub.answer_headers.get("Elements-Next-Page-Token")
    if token:
        query = {"path": "/Judge/Sub folder", "pageSize": 1, "nextPage": token}
        hub.call("folders.listContents", "GET", "/folders/contents", query)
    else:
        hub.failures.append(f"{hub.key}: a folder of two has no second page of one")
    hub.call("files.updateMetadata", "PATCH", "/files/metadata", at, {"name": "renamed.txt"})
    hub.call("files.updateMetadata", "PATCH", "/files/metadata", {"path": "/Judge/renamed.txt"}, {"path": "/Judge/Sub folder/moved.txt"})
    at = {"path": "/Judge/Sub folder/moved.txt"}
    hub.call("files.copy", "POST", "/files/copy", at, {"path": "/Judge/copy.txt"})
    hub.call("files.copy", "POST", "/files/copy", {**at, "overwrite": "true"}, {"path": "/Judge/copy.txt"})
    if not hub.call("folders.copy", "POST", "/folders/copy", {"path": "/Judge/Sub folder"}, {"path": "/Judge/Sub copy"}):
        hub.call("folders.create", "POST", "/folders", document={"path": "/Judge/Sub copy"})
    hub.call("folders.copy", "POST", "/folders/copy", {"path": "/Judge/Sub folder", "overwrite": "true"}, {"path": "/Judge/Sub copy"})
    hub.call("folders.updateMetadata", "PATCH", "/folders/metadata", {"path": "/Judge/Sub copy"}, {"path": "/Judge/Sub two"})
    if hub.can["files"]["fields"]["tags"].get("read"):
        hub.upload("/Judge/tagged.txt", b"x", tags="one,two")
        if "tags" not in hub.can["folders"]["operations"]["create"].get("refuses", {}):
            hub.call("folders.create", "POST", "/folders", document={"path": "/Judge/Tagged", "tags": ["one"]})
        hub.call("folders.listContents", "GET", "/folders/contents", {"path": "/Judge", "fetchTags": "true"})
        hub.call("files.updateMetadata", "PATCH", "/files/metadata", {"path": "/Judge/tagged.txt"}, {"tags": ["two", "three"]})
        hub.call("search.search", "GET", "/search", {"path": "/Judge", "tags": "three"})
    hub.call("files.getLink", "GET", "/files/links", at)
    hub.call("files.deleteLink", "DELETE", "/files/links", at)
    hub.call("folders.getLink", "GET", "/folders/links", {"path": "/Judge/Sub folder"})
    hub.call("folders.deleteLink", "DELETE", "/folders/links", {"path": "/Judge/Sub folder"})
    revisions = hub.call("revisions.list", "GET", "/files/revisions", at) or []
    if revisions:
        hub.call("revisions.get", "GET", f"/files/revisions/{urllib.parse.quote(revisions[-1]['id'], safe='')}", at)
    comment = hub.call("comments.create", "POST", "/files/comments", at, {"comment": "Good"})
    hub.call("comments.list", "GET", "/files/comments", at)
    if comment:
        one = f"/files/comments/{urllib.parse.quote(comment['id'], safe='')}"
        hub.call("comments.get", "GET", one, at)
        hub.call("comments.update", "PATCH", one, at, {"comment": "Better"})
        hub.call("comments.delete", "DELETE", one, at)
    hub.call("search.search", "GET", "/search", {"path": "/Judge", "text": "copy"})
    hub.call("search.search", "GET", "/search", {"text": "plan"})
    hub.call("search.search", "GET", "/search", {"path": "/Judge"})
    hub.call("storage.get", "GET", "/storage")
    hub.call("me.get", "GET", "/me")
    hub.call(None, "GET", "/ping")
    hub.call("files.delete", "DELETE", "/files", at)
    hub.call("folders.delete", "DELETE", "/folders", {"path": "/Judge"})


# What a new record needs, as far as the element takes it.
RECORDS = {
    "accounts": {"name": "Judge & Sons"},
    "contacts": {"firstName": "Ada", "lastName": "Judge", "email": "ada@judge.example"},
    "leads": {"firstName": "Lea", "lastName": "Judge", "company": "Judge & Sons", "email": "lea@judge.example"},
    "opportunities": {"name": "A deal", "stage": "Prospecting", "closeDate": "2027-01-31T00:00:00Z", "amount": 1200},
    "tasks": {"subject": "Call back", "status": "Not Started", "priority": "Normal"},
    "activities": {"subject": "Meet", "startDate": "2027-01-31T10:00:00Z", "endDate": "2027-01-31T11:00:00Z"},
    "notes": {"title": "Judged", "body": "It was good."},
    "incidents": {"subject": "Bolt missing", "priority": "High"},
}
# What a record is a child of, made before it.
PARENTS = {"contacts": "accountId", "opportunities": "accountId", "notes": "parentId"}


def records(hub):
    """The hubs of records: create, read, list, page, filter, update, delete."""
    identities = {}
    for resource, wanted in RECORDS.items():
        if resource not in hub.can:
            continue
        path = f"/{resource}"
        new = {name: value for name, value in wanted.items() if hub.creates(resource, name)}
        parent = PARENTS.get(resource)
        if parent and hub.creates(resource, parent) and "accounts" in identities:
            new[parent] = identities["accounts"]
        made = hub.call(f"{resource}.create", "POST", path, document=new)
        if made:
            identities[resource] = made["id"]
        hub.call(f"{resource}.list", "GET", path, {"pageSize": 2})
        token = hub.answer_headers.get("Elements-Next-Page-Token")
        if token:
            hub.call(f"{resource}.list", "GET", path, {"pageSize": 2, "nextPage": token})
        text = next((name for name in ("name", "lastName", "subject", "title") if name in new), None)
        if text:
            value = new[text].replace("'", "\\'")
            hub.call(f"{resource}.list", "GET", path, {"where": f"{text}='{value}'", "pageSize": 5})
        if made:
            one = f"{path}/{urllib.parse.quote(made['id'], safe='')}"
            hub.call(f"{resource}.get", "GET", one)
            if text:
                hub.call(f"{resource}.update", "PATCH", one, document={text: "Changed by a judge"})
    for resource in ("users", "agents", "owners"):
        if resource in hub.can:
            hub.call(f"{resource}.list", "GET", f"/{resource}", {"pageSize": 2})
    hub.call(None, "GET", "/objects")
    native = {"sfdc": "Contact", "sfdcservicecloud": "Case"}.get(hub.key)
    if native:
        hub.call(None, "GET", f"/objects/{native}/metadata")
        made = hub.call(None, "POST", f"/{native}", document={"LastName": "Own"} if native == "Contact" else {"Subject": "Own"})
        if made:
            hub.call(None, "GET", f"/{native}/{made['Id']}")
            hub.call(None, "DELETE", f"/{native}/{made['Id']}")
    for resource in reversed(identities):
        hub.call(f"{resource}.delete", "DELETE", f"/{resource}/{urllib.parse.quote(identities[resource], safe='')}")
    if "contacts" in identities:
        hub.call("contacts.get", "GET", f"/contacts/{identities['contacts']}", expect=404)

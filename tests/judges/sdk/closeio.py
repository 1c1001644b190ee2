"""Drives the sandbox of Close with the official client (PyPI `closeio`): closeio.py BASE_URL API_KEY."""

import sys

from closeio_api import API, APIError, ValidationError


def check(condition, what):
    if not condition:
        sys.exit(f"closeio: {what}")
    print(f"ok   {what}")


def refused(call, kind, status):
    try:
        call()
    except kind as error:
        return error if error.response.status_code == status else None
    return None


def main(base, key):
    api = API(base.rstrip("/") + "/", key, max_retries=1)
    check(api.get("me")["email"], "the key has a user")
    check(refused(lambda: API(base.rstrip("/") + "/", "wrong", max_retries=1).get("me"), APIError, 401), "a wrong key is refused")

    lead = api.post("lead", {"name": "Judge & Sons", "url": "https://judge.example", "contacts": [{"name": "Jo Judge"}]})
    check(lead["id"].startswith("lead_") and lead["status_label"] == "Potential", "a lead is made with a status")
    check([person["name"] for person in lead["contacts"]] == ["Jo Judge"], "its contacts are made with it")
    contact = api.post("contact", {"lead_id": lead["id"], "name": "Ada Judge", "emails": [{"type": "office", "email": "ada@judge.example"}]})
    check(contact["emails"][0]["email"] == "ada@judge.example", "a contact is made")
    note = api.post("activity/note", {"lead_id": lead["id"], "note": "Judged."})
    check(note["_type"] == "Note", "a note is made")

    listed = api.get("contact", {"_limit": 100})
    check(any(one["id"] == contact["id"] for one in listed["data"]), "a list finds the contact")
    check(isinstance(listed["has_more"], bool) and listed["total_results"] >= len(listed["data"]), "a list tells its size")
    first = api.get("contact", {"_limit": 1})
    second = api.get("contact", {"_limit": 1, "_skip": 1})
    check(first["has_more"] and first["data"][0]["id"] != second["data"][0]["id"], "lists page")
    check(refused(lambda: api.get("contact", {"_skip": 1_000_000}), ValidationError, 400), "not endlessly")
    check(api.get(f"contact/{contact['id']}") == contact, "a read equals what was made")

    changed = api.put(f"contact/{contact['id']}", {"title": "Countess"})
    check(changed["title"] == "Countess" and changed["name"] == "Ada Judge", "an update changes what is sent")
    word = {"type": "text", "mode": "full_words", "value": "Countess"}
    field = {"type": "regular_field", "object_type": "contact", "field_name": "title"}
    query = {"type": "and", "queries": [{"type": "object_type", "object_type": "contact"}, {"type": "field_condition", "field": field, "condition": word}]}
    found = api.post("data/search", {"query": query, "_fields": {"contact": ["id", "title"]}, "_limit": 10})
    check([one["id"] for one in found["data"]] == [contact["id"]] and found["cursor"] is None, "a search finds it")

    error = refused(lambda: api.post("contact", {"name": "Nobody"}), ValidationError, 400)
    check(error and "lead_id" in error.field_errors, "what is missing is told by field")
    check(refused(lambda: api.post("contact", {}), ValidationError, 400), "an empty record is refused")

    check(api.delete(f"contact/{contact['id']}") == {}, "a delete answers with nothing")
    check(refused(lambda: api.get(f"contact/{contact['id']}"), APIError, 404), "what is deleted is gone")
    check(refused(lambda: api.get("lead/-1"), APIError, 404), "nothing is not found")
    api.delete(f"lead/{lead['id']}")
    check(refused(lambda: api.get(f"activity/note/{note['id']}"), APIError, 404), "a lead takes its notes along")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])

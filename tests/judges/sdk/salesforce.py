"""A client of many years against the imitation: salesforce.py BASE_URL ACCESS_TOKEN

Needs PyPI simple-salesforce. Exits with 0 when everything is as the client expects it.
"""

import sys
from urllib.parse import urlsplit, urlunsplit

import requests
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceResourceNotFound


class Loop(requests.adapters.HTTPAdapter):
    """Sends what is meant for https to a port of this machine: the client makes its addresses itself."""

    def __init__(self, base):
        super().__init__()
        self.base = urlsplit(base)

    def send(self, request, **options):
        told = urlsplit(request.url)
        request.url = urlunsplit((self.base.scheme, self.base.netloc, told.path, told.query, ""))
        return super().send(request, **options)


def main(base, token):
    session = requests.Session()
    session.mount("https://", Loop(base))
    org = Salesforce(instance="org.my.salesforce.com", session_id=token, version="59.0", session=session)

    made = org.Contact.create({"FirstName": "Judge", "LastName": "Byron", "Email": "judge@example.test"})
    assert made["success"] is True and made["errors"] == [], made
    key = made["id"]

    rows = org.query_all("SELECT Id, LastName FROM Contact ORDER BY Id")
    assert rows["done"] and key in [row["Id"] for row in rows["records"]], rows
    read = org.Contact.get(key)
    assert read["LastName"] == "Byron" and read["attributes"]["type"] == "Contact", read
    assert org.Contact.update(key, {"LastName": "King"}) == 204
    found = org.query("SELECT Id FROM Contact WHERE LastName = 'King' AND Email LIKE 'judge%'")
    assert found["totalSize"] == 1 and found["records"][0]["Id"] == key, found

    case = org.Case.create({"Subject": "Bolt missing", "ContactId": key, "Origin": "Phone"})["id"]
    org.CaseComment.create({"ParentId": case, "CommentBody": "Sent one."})
    told = org.query(f"SELECT CommentBody FROM CaseComment WHERE ParentId = '{case}'")
    assert told["records"][0]["CommentBody"] == "Sent one.", told
    org.Case.update(case, {"Status": "Closed"})
    assert org.Case.get(case)["IsClosed"] is True

    names = {field["name"] for field in org.Case.describe()["fields"]}
    assert {"CaseNumber", "Subject", "Status"} <= names, names
    assert org.Case.delete(case) == 204 and org.Contact.delete(key) == 204
    try:
        org.Contact.get(key)
        raise AssertionError("a contact that is deleted was read")
    except SalesforceResourceNotFound as error:
        assert error.status == 404, error
    print("salesforce: ok")


if __name__ == "__main__":
    main(*sys.argv[1:3])

"""The life of a token at a provider that kills the family of a refresh token presented twice.

Called by `tests/judges/run`: `judge(gateway, origin, events)`, where events() gives what the provider has told so far.
"""

import collections
import http.cookiejar
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

CALLBACK = "https://app.example/callback"
CLIENT = {"oauth.api.key": "judge", "oauth.api.secret": "judges-secret", "oauth.callback.url": CALLBACK}
SPACE = "/hubs/documents/storage"


def element(origin):
    """The element that points at the provider: its whole API is the page about the user."""
    texts = [(key, "secret" in key) for key in CLIENT]
    return {
        "id": 9901, "key": "judged", "name": "Judged", "description": "An OpenID provider", "hub": "documents",
        "configuration": [{"key": key, "name": key, "required": True, "secret": secret} for key, secret in texts],
        "authentication": {
            "type": "oauth2", "authorizeUrl": f"{origin}/auth", "tokenUrl": f"{origin}/token", "scope": "openid",
            "clientAuthentication": "body",
        },
        "hosts": {"api": origin}, "egress": ["127.0.0.1"],
        "errorMessage": ["$.error_description"], "errorCode": ["$.error"],
        "unsupported": {"*": "Nothing but the page about the user is asked for"},
        "probe": {"method": "GET", "path": "/me"},
        "resources": {"storage": {
            "resource": "storage", "fields": {"used": "$.used", "total": "$.total", "shared": "$.shared"},
            "operations": {"get": {"method": "GET", "path": "/me"}},
        }},
    }


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def consent(address):
    """Signs in and approves as a browser would; gives the code."""
    jar = http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(strict_ns_domain=0))
    browser = urllib.request.build_opener(Stay, urllib.request.HTTPCookieProcessor(jar))
    form = None
    for _ in range(12):
        body = urllib.parse.urlencode(form).encode() if form else None
        form = None
        try:
            page = browser.open(urllib.request.Request(address, data=body), timeout=30)
        except urllib.error.HTTPError as error:
            page = error
        target = page.headers.get("Location")
        if target and target.startswith(CALLBACK):
            told = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(target).query))
            assert "code" in told, told
            return told["code"]
        if target:
            address = urllib.parse.urljoin(address, target)
            continue
        text = page.read().decode()
        prompt = re.search(r'name="prompt" value="(\w+)"', text)
        action = re.search(r'<form[^>]* action="([^"]+)"', text)
        assert prompt and action, f"{address}: {page.status} {text[:500]}"
        address = urllib.parse.urljoin(address, action[1])
        form = {"prompt": prompt[1], "login": "ada", "password": "any"}
    raise AssertionError("the provider does not come to an end")


def judge(gateway, origin, events):
    headers = {"Authorization": gateway.account}
    query = urllib.parse.urlencode({"apiKey": "judge", "apiSecret": "judges-secret", "callbackUrl": CALLBACK})
    answer = gateway.call("GET", f"/elements/judged/oauth/url?{query}", headers=headers)
    assert answer.status == 200, answer.bytes
    code = consent(answer.json["oauthUrl"])
    made = gateway.connect("judged", CLIENT, {"code": code})
    assert made.status == 200, made.bytes
    headers = {"Authorization": f"Element {made.json['token']}"}

    # Eight callers, over four lives of an access token.
    statuses, until = collections.Counter(), time.monotonic() + 13

    def caller():
        while time.monotonic() < until:
            answer = gateway.call("GET", SPACE, headers=headers)
            statuses[answer.status if answer.status == 200 else answer.bytes] += 1
            time.sleep(0.02)

    callers = [threading.Thread(target=caller) for _ in range(8)]
    for one in callers:
        one.start()
    for one in callers:
        one.join()
    assert set(statuses) == {200}, statuses
    told = events()
    kinds = collections.Counter(event["event"] for event in told)
    refreshed = sum(event.get("type") == "refresh_token" for event in told)
    assert not kinds["revoked"] and not kinds["refused"], f"a refresh token was presented twice: {told}"
    assert refreshed >= 4, f"{refreshed} refreshes in four lives"
    spent = [event["token"] for event in told if event["event"] == "consumed"]
    assert len(spent) == len(set(spent)) == refreshed, (len(spent), refreshed)
    assert refreshed <= 8, f"{refreshed} refreshes where about five are needed"
    print(f"tokens: {statuses[200]} calls by 8 callers, {refreshed} refreshes, none presented twice")

    # Somebody else presents a spent one: the family dies, and the application is told to ask for consent again.
    form = {"grant_type": "refresh_token", "refresh_token": spent[0], "client_id": "judge", "client_secret": "judges-secret"}
    try:
        urllib.request.urlopen(f"{origin}/token", urllib.parse.urlencode(form).encode(), timeout=30)
        raise AssertionError("the provider takes a spent refresh token")
    except urllib.error.HTTPError as error:
        assert error.code == 400, error.code
    assert any(event["event"] == "revoked" for event in events()), "the provider let the family live"
    for _ in range(3):
        answer = gateway.call("GET", SPACE, headers=headers)
        assert answer.status == 401 and answer.json["code"] == "reauth-required", (answer.status, answer.bytes)
    refusals = sum(event["event"] == "refused" for event in events())
    assert refusals <= 2, f"a dead grant was presented {refusals - 1} times"

    # Consent heals it, under the same token of the instance.
    answer = gateway.call("GET", f"/elements/judged/oauth/url?{query}", headers={"Authorization": gateway.account})
    healed = gateway.reconnect(made.json["id"], {"code": consent(answer.json["oauthUrl"])})
    assert healed.status == 200, healed.bytes
    answer = gateway.call("GET", SPACE, headers=headers)
    assert answer.status == 200, answer.bytes

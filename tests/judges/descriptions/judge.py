"""Judges what elements send, and what the sandboxes answer, by the providers' own descriptions.

usage: judge.py TOLD SPECS [ELEMENT…]

TOLD is a file with what `hubgate demo --json` printed, SPECS the directory of the descriptions. Needs openapi-core 0.23
and dropbox. Every element whose provider has a description is driven through its hub; every call that reached its sandbox
is held against the description, request and answer. Then the checker is tried itself: nonsense must be refused for each
operation. Exits with 1 when anything is not as it should be.
"""

import base64
import collections
import json
import pathlib
import sys
import time

import checker
import drive
import model
import places
import routes

KEPT = 262_144


def descriptions(specs):
    """Element → (the checker's maker, how the element is driven)."""
    def opened(path, place, *repairs):
        return lambda: checker.Description(json.loads((specs / path).read_text()), place, repairs)

    graph = opened("msgraph/msgraph-files.oas.json", places.graph, places.relax_graph)
    salesforce = opened("salesforce/salesforce-sobjects.oas.json", places.salesforce, places.relax_salesforce)
    return {
        "box": (opened("box/openapi.json", places.box, places.relax_box), drive.documents),
        "googledrive": (opened("google-drive/google-drive-v3.oas.json", places.googledrive), drive.documents),
        "dropbox": (routes.Types, drive.documents),
        "dropboxbusiness": (routes.Types, drive.documents),
        "onedrive": (graph, drive.documents),
        "onedrivebusiness": (graph, drive.documents),
        "sharepoint": (graph, drive.documents),
        "amazons3": (lambda: model.Model(specs / "s3/botocore-s3-2006-03-01.json"), drive.documents),
        "sfdc": (salesforce, drive.records),
        "sfdcservicecloud": (salesforce, drive.records),
    }


def recorded(demo, element):
    """The calls of the element's sandbox, their bodies decoded."""
    # The last answer is logged when it starts, so that its body may still be under way.
    for _ in range(50):
        calls = demo.control(element, "GET", "/log")["calls"]
        if all(call.get("response_body", {}).get("whole", True) for call in calls[-1:]):
            break
        time.sleep(0.05)
    for call in calls:
        for name, short in (("request", "sent"), ("response", "said")):
            body = call.get(f"{name}_body") or {"base64": "", "whole": True}
            call[short], call[f"whole_{name}"] = base64.b64decode(body["base64"]), body["whole"]
    return [call for call in calls if call["status"] is not None]


def shape(call):
    """The call without what is different each time."""
    path = "/".join("…" if any(c.isdigit() for c in part) and len(part) > 4 else part for part in call["path"].split("/"))
    return f"{call['method']} {path}"


def judge(demo, element, make, drives):
    """Drives one element; gives how many faults there are."""
    demo.control(element, "POST", "/log", {"bodies": KEPT})
    demo.control(element, "DELETE", "/log")
    hub = drive.Element(demo, element)
    drives(hub)
    description = make()
    checked, faults, missing = 0, collections.Counter(), collections.Counter()
    for call in recorded(demo, element):
        wrong = description.check(call)
        if wrong is None:
            missing[shape(call)] += 1
            continue
        checked += 1
        for told in wrong:
            faults[f"{shape(call)} → {call['status']}: {told}"] += 1
    demo.control(element, "POST", "/log", {"bodies": 0})
    operations, refused, unguarded = 0, 0, []
    for operation, no, yes in description.canaries():
        operations += 1
        refused += len(no)
        if yes:
            faults[f"the checker takes nonsense for {operation}: {', '.join(yes)}"] += 1
        if not no and not yes:
            unguarded.append(operation)
    for told in hub.failures:
        faults[told] += 1
    if not checked:
        faults["no call was checked"] += 1
    print(f"{element}: {hub.calls} calls of the hub, {checked} provider calls checked on {operations} operations, "
          f"{sum(missing.values())} that the description lacks, {refused} canaries refused, {len(faults)} faults")
    for told, number in sorted(missing.items()):
        print(f"   not described: {told} ({number})")
    for operation in unguarded:
        print(f"   without bodies: {operation}")
    for told, number in sorted(faults.items()):
        print(f" ! {element}: {told} ({number})")
    return len(faults)


def main(told, specs, wanted):
    demo = drive.Demo(json.loads(pathlib.Path(told).read_text()))
    known = descriptions(pathlib.Path(specs))
    faults = 0
    for element, (make, drives) in known.items():
        if element in demo.told["instances"] and (not wanted or element in wanted):
            faults += judge(demo, element, make, drives)
    if places.graph.respelt:
        print(f"{places.graph.respelt} calls of Graph were checked in the spelling that is described")
    return 1 if faults else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))

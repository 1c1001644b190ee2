"""Judges the gateway by its own descriptions, with schemathesis.

usage: judge.py TOLD SCHEMATHESIS DIRECTORY

TOLD is a file with what `hubgate demo --json` printed, SCHEMATHESIS the program, DIRECTORY a place for its files. Requests are
made up out of the OpenAPI documents of the hubs and of the platform; every answer must have a declared status, media type and
shape, and none may be a fault of ours. Then a document is falsified, which must be noticed. Exits with 1 when anything is not as
it should be.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import urllib.request

SEED = "20261122"
# For each document; more find more.
SECONDS = os.environ.get("OPENAPI_SECONDS", "20")
# What a schema cannot say decides whether a well-formed call is taken: whose token a page's is, what the provider lacks.
NEVER = ["positive_data_acceptance"]
# In a hub a null is taken for a member that is absent, which no document says of each member again.
IN_HUBS = [*NEVER, "negative_data_rejection"]
# Document, element that answers, checks left out.
DOCUMENTS = [
    ("hubs/documents", "box", IN_HUBS),
    ("hubs/crm", "sfdc", IN_HUBS),
    # The last: it deletes instances.
    ("platform", None, NEVER),
]


def read(base, name):
    with urllib.request.urlopen(f"{base}/docs/openapi/{name}", timeout=30) as answer:
        document = json.load(answer)
    for item in document["paths"].values():
        for operation in item.values():
            # What it answers is told by no schema: the calls that would be made, in place of everything else.
            operation["parameters"] = [one for one in operation.get("parameters", []) if one["name"] != "explain"]
            # Without a value a parameter is taken for one that is absent.
            for one in operation["parameters"]:
                if one["in"] == "query" and one["schema"].get("type") in ("integer", "boolean"):
                    one["schema"] = {"anyOf": [one["schema"], {"const": ""}]}
    return document


def account(told, element):
    secrets = f"User {told['userSecret']}, Organization {told['organizationSecret']}"
    return f"{secrets}, Element {told['instances'][element]['token']}" if element else secrets


def run(program, directory, told, document, element, left_out, *further):
    file = directory / "document.json"
    file.write_text(json.dumps(document))
    arguments = [
        program, "run", file, "--url", told["baseUrl"], "-H", f"Authorization: {account(told, element)}", "--seed", SEED,
        "--checks", "all", "--exclude-checks", ",".join(left_out), "--phases", "coverage,fuzzing", "--max-time", SECONDS,
        "--generation-database", "none", "--no-shrink", "--continue-on-failure", "--no-color", "--request-timeout", "20", *further,
    ]
    return subprocess.run([str(one) for one in arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=directory)


def main(told, program, directory):
    told, directory = json.loads(pathlib.Path(told).read_text()), pathlib.Path(directory).resolve()
    faults = 0
    for name, element, left_out in DOCUMENTS:
        ran = run(program, directory, told, read(told["baseUrl"], name), element, left_out)
        generated = int((re.search(r"([\d,]+) generated", ran.stdout) or [0, "0"])[1].replace(",", ""))
        tested = re.search(r"Tested: (\d+)", ran.stdout)
        print(f"{name}: {tested and tested[1]} operations, {generated} requests, {'faults' if ran.returncode else 'no fault'}")
        if ran.returncode or generated < 100:
            faults += 1
            print(ran.stdout[-20000:])

    document = read(told["baseUrl"], "platform")
    answers = document["paths"]["/hubs"]["get"]["responses"]
    answers["200"]["content"]["application/json"]["schema"] = {"type": "array", "items": {"type": "string"}}
    del document["paths"]["/elements/{element}"]["get"]["responses"]["404"]
    only = ["--max-examples", "3", "--include-path", "/hubs", "--include-path", "/elements/{element}"]
    ran = run(program, directory, told, document, None, NEVER, *only)
    for fault in ("Response violates schema", "Undocumented status code"):
        if fault not in ran.stdout:
            faults += 1
            print(f"a falsified document is taken, without {fault!r}:\n{ran.stdout[-5000:]}")
    return 1 if faults else 0


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))

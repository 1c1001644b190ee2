"""Drives the sandbox of Google Drive with Google's own client library and asserts on what that makes of the answers.

usage: googledrive.py BASE TOKEN

BASE is the sandbox's origin (http://127.0.0.1:PORT), TOKEN an access token it has issued. Needs the package
google-api-python-client. Exits with 1 at the first thing that is not as it should be.
"""

import io
import json
import pathlib
import sys

import googleapiclient
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError
from googleapiclient.http import MediaIoBaseDownload, MediaIoBaseUpload

FOLDER = "application/vnd.google-apps.folder"


def client(base, token):
    bundled = pathlib.Path(googleapiclient.__file__).parent / "discovery_cache" / "documents" / "drive.v3.json"
    document = json.loads(bundled.read_text())
    document["rootUrl"] = base + "/"
    document["baseUrl"] = base + "/drive/v3/"
    return build_from_document(document, credentials=Credentials(token))


def refused(request, status, reason):
    try:
        request.execute()
    except HttpError as error:
        assert error.resp.status == status, (error.resp.status, status)
        assert error.error_details[0]["reason"] == reason, error.error_details
        return
    raise AssertionError(f"{request.uri} is not refused")


def judge(drive):
    files = drive.files()
    # Create: a folder, a small file in one request, a large one in chunks.
    folder = files.create(body={"name": "Judged", "mimeType": FOLDER}, fields="id,parents").execute()
    assert len(folder["parents"]) == 1
    media = MediaIoBaseUpload(io.BytesIO(b"small"), "text/plain")
    small = files.create(body={"name": "small.txt", "parents": [folder["id"]]}, media_body=media).execute()
    assert sorted(small) == ["id", "kind", "mimeType", "name"] and small["mimeType"] == "text/plain"
    content = bytes(range(256)) * 4096 + b"the rest"
    media = MediaIoBaseUpload(io.BytesIO(content), "application/octet-stream", chunksize=256 * 1024, resumable=True)
    request = files.create(body={"name": "large.bin", "parents": [folder["id"]]}, media_body=media, fields="id,size")
    large, chunks = None, 0
    while large is None:
        progress, large = request.next_chunk()
        chunks += 1
        assert progress is None or progress.resumable_progress == chunks * 256 * 1024
    assert chunks == 5 and large["size"] == str(len(content))
    # List, by pages.
    names, page = [], None
    while True:
        question = {"q": f"'{folder['id']}' in parents and trashed = false", "pageSize": 1, "orderBy": "name"}
        answer = files.list(**question, pageToken=page, fields="nextPageToken,files(name,size)").execute()
        names += [item["name"] for item in answer["files"]]
        page = answer.get("nextPageToken")
        if page is None:
            break
    assert names == ["large.bin", "small.txt"], names
    # Read, in pieces.
    buffer = io.BytesIO()
    download = MediaIoBaseDownload(buffer, files.get_media(fileId=large["id"]), chunksize=300_000)
    done = False
    while not done:
        _, done = download.next_chunk()
    assert buffer.getvalue() == content
    # Update: another name and properties, then another content, which is another revision.
    changed = files.update(fileId=small["id"], body={"name": "it's.txt", "properties": {"k": "v"}}, fields="*").execute()
    assert changed["name"] == "it's.txt" and changed["properties"] == {"k": "v"}
    media = MediaIoBaseUpload(io.BytesIO(b"other"), "text/plain")
    files.update(fileId=small["id"], media_body=media).execute()
    revisions = drive.revisions().list(fileId=small["id"], fields="revisions(id,size)").execute()["revisions"]
    assert len(revisions) == 2
    assert drive.revisions().get_media(fileId=small["id"], revisionId=revisions[0]["id"]).execute() == b"small"
    # Search, with a quote to escape.
    found = files.list(q="name = 'it\\'s.txt' and properties has { key='k' and value='v' }").execute()["files"]
    assert [item["id"] for item in found] == [small["id"]]
    refused(files.list(q="name like 'x'"), 400, "invalid")
    refused(files.list(fields="files(sise)"), 400, "invalidParameter")
    # Names may repeat; a copy is a file of its own.
    copy = files.copy(fileId=small["id"], body={"name": "it's.txt"}).execute()
    assert copy["id"] != small["id"]
    refused(files.copy(fileId=folder["id"], body={}), 403, "cannotCopyFile")
    # Comments and the account insist on fields.
    comment = drive.comments().create(fileId=small["id"], body={"content": "Good"}, fields="id,content").execute()
    assert comment["content"] == "Good"
    refused(drive.comments().list(fileId=small["id"]), 400, "required")
    refused(drive.about().get(), 400, "required")
    about = drive.about().get(fields="user,storageQuota").execute()
    assert about["user"]["me"] is True and int(about["storageQuota"]["usage"]) >= len(content)
    # Sharing.
    made = drive.permissions().create(fileId=small["id"], body={"role": "reader", "type": "anyone"}).execute()
    assert made["id"] == "anyoneWithLink" and made["type"] == "anyone"
    drive.permissions().delete(fileId=small["id"], permissionId=made["id"]).execute()
    # A shared drive is only seen by who knows of such; its document has no bytes but an export.
    shared = drive.drives().list().execute()["drives"][0]
    asked = {"corpora": "drive", "driveId": shared["id"], "includeItemsFromAllDrives": True, "supportsAllDrives": True}
    documents = files.list(**asked, q="mimeType = 'application/vnd.google-apps.document'").execute()["files"]
    refused(files.get(fileId=documents[0]["id"]), 404, "notFound")
    refused(files.get_media(fileId=documents[0]["id"], supportsAllDrives=True), 403, "fileNotDownloadable")
    assert b"Minutes" in files.export(fileId=documents[0]["id"], mimeType="text/plain").execute()
    # Trash keeps, delete does not.
    assert files.update(fileId=small["id"], body={"trashed": True}, fields="trashed").execute() == {"trashed": True}
    assert files.get(fileId=small["id"], fields="trashed").execute()["trashed"] is True
    files.delete(fileId=small["id"]).execute()
    refused(files.get(fileId=small["id"]), 404, "notFound")
    files.delete(fileId=copy["id"]).execute()
    files.delete(fileId=folder["id"]).execute()
    refused(files.get(fileId=large["id"]), 404, "notFound")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    judge(client(sys.argv[1].rstrip("/"), sys.argv[2]))
    print("Google's client agrees with the sandbox")

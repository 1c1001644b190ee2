"""Drives the sandbox of Dropbox with Dropbox's own client: dropbox.py BASE TOKEN

BASE is the sandbox's origin (http://127.0.0.1:PORT). Needs PyPI dropbox 12. Exits with 0 when everything is as the client
expects it.
"""

import hashlib
import sys
from urllib.parse import urlsplit, urlunsplit

sys.path.pop(0)  # where this file stands, which has the name of the package

import dropbox
import requests
from dropbox.exceptions import ApiError, AuthError, BadInputError
from dropbox.files import CommitInfo, DeletedMetadata, FileMetadata, FolderMetadata, UploadSessionCursor, WriteMode


class Loop(requests.adapters.HTTPAdapter):
    """Sends what is meant for https to a port of this machine: the client makes its addresses itself."""

    def __init__(self, base):
        super().__init__()
        self.base = urlsplit(base)

    def send(self, request, **options):
        told = urlsplit(request.url)
        request.url = urlunsplit((self.base.scheme, self.base.netloc, told.path, told.query, ""))
        return super().send(request, **options)


def client(base, token):
    session = requests.Session()
    session.mount("https://", Loop(base))
    return dropbox.Dropbox(token, session=session, max_retries_on_error=0)


def refused(call):
    try:
        call()
    except ApiError as error:
        return error.error
    raise AssertionError("a call that cannot be is not refused")


def main(base, token):
    try:
        client(base, "wrong").users_get_current_account()
        raise AssertionError("a wrong token is taken")
    except AuthError as error:
        assert error.error.is_invalid_access_token(), error
    box = client(base, token)
    account = box.users_get_current_account()
    assert account.account_id.startswith("dbid:") and account.email, account
    assert box.users_get_space_usage().allocation.get_individual().allocated > 0

    folder = box.files_create_folder_v2("/Judged").metadata
    assert isinstance(folder, FolderMetadata) and folder.path_display == "/Judged"
    assert refused(lambda: box.files_create_folder_v2("/judged")).get_path().is_conflict()
    small = box.files_upload(b"small", "/Judged/Ünicode & co.txt")
    assert isinstance(small, FileMetadata) and small.size == 5 and small.name == "Ünicode & co.txt"
    block = hashlib.sha256(hashlib.sha256(b"small").digest()).hexdigest()
    assert small.content_hash == block, small.content_hash
    assert refused(lambda: box.files_upload(b"other", small.path_display)).get_path().reason.is_conflict()
    newer = box.files_upload(b"other", small.path_display, mode=WriteMode.overwrite)
    assert newer.id == small.id and newer.rev != small.rev

    session = box.files_upload_session_start(b"a" * 1000)
    cursor = UploadSessionCursor(session.session_id, 1000)
    box.files_upload_session_append_v2(b"b" * 1000, cursor)
    wrong = refused(lambda: box.files_upload_session_append_v2(b"b", cursor))
    assert wrong.is_incorrect_offset() and wrong.get_incorrect_offset().correct_offset == 2000, wrong
    cursor = UploadSessionCursor(session.session_id, 2000)
    large = box.files_upload_session_finish(b"c", cursor, CommitInfo("/Judged/large.bin"))
    assert large.size == 2001

    page = box.files_list_folder("/Judged", limit=1)
    names = [entry.name for entry in page.entries]
    while page.has_more:
        page = box.files_list_folder_continue(page.cursor)
        names += [entry.name for entry in page.entries]
    assert sorted(names) == ["large.bin", "Ünicode & co.txt"], names
    try:
        box.files_list_folder("/")
        raise AssertionError("a slash is taken for the root")
    except BadInputError:
        pass
    assert refused(lambda: box.files_list_folder("/nowhere")).get_path().is_not_found()
    read, answer = box.files_download(large.id)
    assert read.rev == large.rev and answer.content == b"a" * 1000 + b"b" * 1000 + b"c"

    moved = box.files_move_v2(small.path_display, "/Judged/moved.txt").metadata
    assert moved.id == small.id and moved.path_display == "/Judged/moved.txt"
    copied = box.files_copy_v2("/Judged/moved.txt", "/Judged/copy.txt").metadata
    assert copied.id != small.id and copied.size == 5
    revisions = box.files_list_revisions("/Judged/moved.txt").entries
    assert len(revisions) >= 1 and all(isinstance(one, FileMetadata) for one in revisions)
    found = box.files_search_v2("moved").matches
    assert "moved.txt" in [match.metadata.get_metadata().name for match in found], found

    link = box.sharing_create_shared_link_with_settings("/Judged/moved.txt")
    assert link.url.startswith("http") and link.name == "moved.txt"
    assert refused(lambda: box.sharing_create_shared_link_with_settings("/Judged/moved.txt")).is_shared_link_already_exists()
    assert [one.url for one in box.sharing_list_shared_links("/Judged/moved.txt", direct_only=True).links] == [link.url]
    box.sharing_revoke_shared_link(link.url)
    assert box.files_get_temporary_link("/Judged/moved.txt").link.startswith("http")

    gone = box.files_delete_v2("/Judged/moved.txt").metadata
    assert gone.id == small.id
    assert refused(lambda: box.files_get_metadata("/Judged/moved.txt")).get_path().is_not_found()
    deleted = box.files_get_metadata("/Judged/moved.txt", include_deleted=True)
    assert isinstance(deleted, DeletedMetadata), deleted
    box.files_delete_v2("/Judged")
    print("dropbox: ok")


if __name__ == "__main__":
    main(*sys.argv[1:3])

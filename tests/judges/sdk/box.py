"""Drives the sandbox of Box with Box's own client: box.py BASE TOKEN

BASE is the sandbox's origin (http://127.0.0.1:PORT). Needs PyPI boxsdk 10. Exits with 0 when everything is as the client
expects it.
"""

import io
import sys

from box_sdk_gen import (
    AddShareLinkToFileSharedLink,
    BaseUrls,
    BoxAPIError,
    BoxClient,
    BoxDeveloperTokenAuth,
    BoxSDKError,
    CopyFileParent,
    CreateCommentItem,
    CreateCommentItemTypeField,
    CreateFolderParent,
    NetworkSession,
    UpdateFileByIdParent,
    UploadFileAttributes,
    UploadFileAttributesParentField,
    UploadFileVersionAttributes,
)


def client(base, token):
    urls = BaseUrls(base_url=base, upload_url=base + "/api", oauth_2_url=base + "/oauth2")
    return BoxClient(BoxDeveloperTokenAuth(token), network_session=NetworkSession(base_urls=urls))


def refused(call, status, code=None):
    try:
        call()
    except BoxAPIError as error:
        assert error.response_info.status_code == status, error
        assert code is None or error.response_info.code == code, error
        return
    raise AssertionError("a call that cannot be is not refused")


def main(base, token):
    box = client(base, token)
    me = box.users.get_user_me(fields=["login", "space_amount", "space_used"])
    assert me.login and me.space_amount > 0, me
    folder = box.folders.create_folder("Judged", CreateFolderParent(id="0"))
    assert folder.name == "Judged" and folder.parent.id == "0" and folder.type.value == "folder"
    refused(lambda: box.folders.create_folder("Judged", CreateFolderParent(id="0")), 409, "item_name_in_use")

    def upload(name, content):
        place = UploadFileAttributesParentField(id=folder.id)
        return box.uploads.upload_file(UploadFileAttributes(name=name, parent=place), io.BytesIO(content)).entries[0]

    small = upload("Ünicode & co.txt", b"small")
    assert small.size == 5 and small.name == "Ünicode & co.txt" and small.sha_1 and small.created_at.year >= 2024
    refused(lambda: upload("Ünicode & co.txt", b"x"), 409, "item_name_in_use")
    second = upload("second.txt", b"second")
    newer = box.uploads.upload_file_version(small.id, UploadFileVersionAttributes(name="Ünicode & co.txt"), io.BytesIO(b"newer")).entries[0]
    assert newer.id == small.id and newer.etag != small.etag
    versions = box.file_versions.get_file_versions(small.id)
    assert versions.total_count == 1 and versions.entries[0].size == 5, versions
    assert box.downloads.download_file(small.id).read() == b"newer"

    first = box.folders.get_folder_items(folder.id, limit=1, offset=0, fields=["name", "size"])
    other = box.folders.get_folder_items(folder.id, limit=1, offset=1)
    assert first.total_count == 2 and {first.entries[0].id, other.entries[0].id} == {small.id, second.id}
    marked = box.folders.get_folder_items(folder.id, limit=1, usemarker=True)
    rest = box.folders.get_folder_items(folder.id, limit=1, usemarker=True, marker=marked.next_marker)
    assert {marked.entries[0].id, rest.entries[0].id} == {small.id, second.id}

    renamed = box.files.update_file_by_id(small.id, name="renamed.txt", parent=UpdateFileByIdParent(id="0"))
    assert renamed.name == "renamed.txt" and renamed.parent.id == "0"
    copy = box.files.copy_file(small.id, CopyFileParent(id=folder.id), name="copy.txt")
    assert copy.id != small.id and copy.name == "copy.txt"
    linked = box.shared_links_files.add_share_link_to_file(small.id, "shared_link", shared_link=AddShareLinkToFileSharedLink())
    assert linked.shared_link.url.startswith("http") and linked.shared_link.access.value, linked
    comment = box.comments.create_comment("Good", CreateCommentItem(id=small.id, type=CreateCommentItemTypeField.FILE))
    assert comment.message == "Good" and comment.created_by.login
    assert [one.id for one in box.comments.get_file_comments(small.id).entries] == [comment.id]
    box.comments.delete_comment_by_id(comment.id)
    found = box.search.search_for_content(query="renamed")
    assert small.id in [entry.id for entry in found.entries], found

    box.files.delete_file_by_id(small.id)
    refused(lambda: box.files.get_file_by_id(small.id), 404)
    refused(lambda: box.files.get_file_by_id("123456789"), 404, "not_found")
    refused(lambda: box.folders.delete_folder_by_id(folder.id), 400, "folder_not_empty")
    box.folders.delete_folder_by_id(folder.id, recursive=True)
    try:
        client(base, "wrong").users.get_user_me()
        raise AssertionError("a wrong token is taken")
    except BoxSDKError as error:
        assert "expired" in error.message, error
    print("box: ok")


if __name__ == "__main__":
    main(*sys.argv[1:3])

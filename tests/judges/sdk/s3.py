"""Drives the sandbox of S3 with Amazon's own client: s3.py ORIGIN ACCESS_KEY SECRET_KEY BUCKET REGION

ORIGIN is the sandbox's (http://127.0.0.1:PORT). Needs PyPI boto3. Exits with 0 when everything is as the client expects it.
"""

import os
import sys
import urllib.error
import urllib.parse
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

MIB = 1 << 20


def client(origin, access, secret, region, **further):
    # What the client would send in chunks with a trailing checksum is announced beforehand instead.
    settings = {"s3": {"addressing_style": "path"}, "retries": {"max_attempts": 0}, "request_checksum_calculation": "when_required"}
    keys = {"aws_access_key_id": access, "aws_secret_access_key": secret}
    return boto3.client("s3", endpoint_url=origin, region_name=region, config=Config(**{**settings, **further}), **keys)


def refused(call, code, status):
    try:
        call()
    except ClientError as error:
        told = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert told == (code, status), told
        return
    raise AssertionError(f"a call that cannot be is not refused with {code}")


def objects(s3, bucket):
    odd = "Judged/Öff & Co/a b+c (1) 100%.txt"
    made = s3.put_object(Bucket=bucket, Key=odd, Body=b"0123456789", ContentType="text/x", Metadata={"own": "kept"})
    head = s3.head_object(Bucket=bucket, Key=odd)
    assert (head["ContentLength"], head["ContentType"], head["Metadata"]) == (10, "text/x", {"own": "kept"}), head
    assert head["ETag"] == made["ETag"] and head["VersionId"] == made["VersionId"], (head, made)
    assert s3.get_object(Bucket=bucket, Key=odd)["Body"].read() == b"0123456789"
    part = s3.get_object(Bucket=bucket, Key=odd, Range="bytes=2-4")
    assert (part["ContentRange"], part["Body"].read()) == ("bytes 2-4/10", b"234"), part
    refused(lambda: s3.put_object(Bucket=bucket, Key=odd, Body=b"x", IfNoneMatch="*"), "PreconditionFailed", 412)
    refused(lambda: s3.get_object(Bucket=bucket, Key=odd, IfNoneMatch=made["ETag"]), "304", 304)
    s3.put_object(Bucket=bucket, Key=odd, Body=b"newer", IfMatch=made["ETag"])
    assert s3.get_object(Bucket=bucket, Key=odd)["Body"].read() == b"newer"
    assert s3.get_object(Bucket=bucket, Key=odd, VersionId=made["VersionId"])["Body"].read() == b"0123456789"
    versions = s3.list_object_versions(Bucket=bucket, Prefix=odd)["Versions"]
    assert [(one["Size"], one["IsLatest"]) for one in versions] == [(5, True), (10, False)], versions

    # With a checksum of the client's own, announced beforehand.
    summed = s3.put_object(Bucket=bucket, Key="Judged/summed.txt", Body=b"sum", ChecksumAlgorithm="SHA256")
    assert summed["ETag"], summed
    copied = s3.copy_object(Bucket=bucket, Key="Judged/copy.txt", CopySource={"Bucket": bucket, "Key": odd})
    assert copied["CopyObjectResult"]["ETag"] == s3.head_object(Bucket=bucket, Key=odd)["ETag"], copied
    refused(lambda: s3.copy_object(Bucket=bucket, Key=odd, CopySource={"Bucket": bucket, "Key": "none"}), "NoSuchKey", 404)

    refused(lambda: s3.get_object(Bucket=bucket, Key="none"), "NoSuchKey", 404)
    refused(lambda: s3.head_object(Bucket=bucket, Key="none"), "404", 404)
    refused(lambda: s3.list_objects_v2(Bucket="judged-nowhere"), "NoSuchBucket", 404)
    s3.delete_object(Bucket=bucket, Key=odd)
    refused(lambda: s3.get_object(Bucket=bucket, Key=odd), "NoSuchKey", 404)


def tags(s3, bucket):
    name = {"Bucket": bucket, "Key": "Judged/tagged.txt"}
    told = lambda key="Judged/tagged.txt": {one["Key"]: one["Value"] for one in s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]}
    s3.put_object(**name, Body=b"x", Tagging=urllib.parse.urlencode({"Project": "Blue + Green:", "draft": ""}))
    assert told() == {"Project": "Blue + Green:", "draft": ""}, told()
    assert s3.head_object(**name)["TagCount"] == 2 and s3.get_object(**name)["TagCount"] == 2
    copy = {"Bucket": bucket, "Key": "Judged/tagged copy.txt", "CopySource": name}
    s3.copy_object(**copy)
    assert told(copy["Key"]) == told(), told(copy["Key"])
    s3.copy_object(**copy, TaggingDirective="REPLACE", Tagging="own=1")
    assert told(copy["Key"]) == {"own": "1"}, told(copy["Key"])
    put = lambda *pairs: s3.put_object_tagging(**name, Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in pairs]})
    put(("only", "one"))
    assert told() == {"only": "one"}, told()
    refused(lambda: put(("a", "1"), ("a", "2")), "InvalidTag", 400)
    refused(lambda: put(*((f"t{number}", "") for number in range(11))), "BadRequest", 400)
    refused(lambda: put(("k" * 129, "")), "InvalidTag", 400)
    refused(lambda: s3.put_object(**name, Body=b"x", Tagging="a=1&a=2"), "InvalidArgument", 400)
    put()
    assert told() == {} and "TagCount" not in s3.head_object(**name), told()
    put(("a", "1"))
    s3.delete_object_tagging(**name)
    assert told() == {}, told()
    refused(lambda: told("none"), "NoSuchKey", 404)


def lists(s3, bucket):
    for number in range(12):
        s3.put_object(Bucket=bucket, Key=f"List/f{number:02}.txt", Body=b"x" * number)
    s3.put_object(Bucket=bucket, Key="List/deep/er.txt", Body=b"")
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="List/", Delimiter="/", PaginationConfig={"PageSize": 5}))
    keys = [one["Key"] for page in pages for one in page.get("Contents", [])]
    folders = [one["Prefix"] for page in pages for one in page.get("CommonPrefixes", [])]
    assert keys == [f"List/f{number:02}.txt" for number in range(12)] and folders == ["List/deep/"], (keys, folders)
    assert len(pages) == 3, [page["KeyCount"] for page in pages]
    older = list(s3.get_paginator("list_objects").paginate(Bucket=bucket, Prefix="List/", PaginationConfig={"PageSize": 4}))
    assert sum(len(page["Contents"]) for page in older) == 13 and len(older) == 4, older
    gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    assert len(gone["Deleted"]) == 12 and "Errors" not in gone, gone
    left = s3.list_objects_v2(Bucket=bucket, Prefix="List/")
    assert [one["Key"] for one in left["Contents"]] == ["List/deep/er.txt"], left


def parts(s3, bucket):
    whole = os.urandom(11 * MIB)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="Judged/big.bin", ContentType="text/big", Tagging="size=large")["UploadId"]
    name = {"Bucket": bucket, "Key": "Judged/big.bin", "UploadId": upload}
    etags = []
    for number, start in enumerate(range(0, len(whole), 5 * MIB), 1):
        sent = s3.upload_part(**name, PartNumber=number, Body=whole[start:start + 5 * MIB])
        etags.append({"PartNumber": number, "ETag": sent["ETag"]})
    assert [one["Size"] for one in s3.list_parts(**name)["Parts"]] == [5 * MIB, 5 * MIB, MIB]
    refused(lambda: s3.complete_multipart_upload(**name, MultipartUpload={"Parts": etags[::-1]}), "InvalidPartOrder", 400)
    made = s3.complete_multipart_upload(**name, MultipartUpload={"Parts": etags})
    assert made["ETag"].endswith('-3"'), made
    assert s3.get_object(Bucket=bucket, Key="Judged/big.bin")["Body"].read() == whole, "parts came back changed"
    assert s3.get_object_tagging(Bucket=bucket, Key="Judged/big.bin")["TagSet"] == [{"Key": "size", "Value": "large"}]
    other = s3.create_multipart_upload(Bucket=bucket, Key="Judged/never.bin")["UploadId"]
    s3.abort_multipart_upload(Bucket=bucket, Key="Judged/never.bin", UploadId=other)
    refused(lambda: s3.list_parts(Bucket=bucket, Key="Judged/never.bin", UploadId=other), "NoSuchUpload", 404)


def links(origin, access, secret, region, bucket):
    # Without a version named the client signs links by the older way, which ends.
    s3 = client(origin, access, secret, region, signature_version="s3v4")
    s3.put_object(Bucket=bucket, Key="Judged/linked.txt", Body=b"for all")
    link = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "Judged/linked.txt"}, ExpiresIn=60)
    with urllib.request.urlopen(link) as answer:
        assert answer.read() == b"for all"
    try:
        urllib.request.urlopen(link.replace("linked", "summed"))
        raise AssertionError("a link serves for another object")
    except urllib.error.HTTPError as error:
        assert error.code == 403, error


def main(origin, access, secret, bucket, region):
    s3 = client(origin, access, secret, region)
    assert bucket in [one["Name"] for one in s3.list_buckets()["Buckets"]]
    s3.head_bucket(Bucket=bucket)
    s3.create_bucket(Bucket="judged-own")
    s3.delete_bucket(Bucket="judged-own")
    objects(s3, bucket)
    tags(s3, bucket)
    lists(s3, bucket)
    parts(s3, bucket)
    links(origin, access, secret, region, bucket)
    refused(lambda: client(origin, access, secret + "x", region).list_objects_v2(Bucket=bucket), "SignatureDoesNotMatch", 403)
    refused(lambda: client(origin, access + "X", secret, region).list_objects_v2(Bucket=bucket), "InvalidAccessKeyId", 403)
    print("s3: ok")


if __name__ == "__main__":
    main(*sys.argv[1:6])

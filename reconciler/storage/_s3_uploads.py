"""Uploads in parts to S3 that were never completed: nobody sees their bytes, which are kept and paid for."""

from __future__ import annotations

from contextlib import suppress

from fsspec import AbstractFileSystem


def abort_uploads(files: AbstractFileSystem, root: str, before: float) -> None:
    """Abort the uploads below a root that began before a time; a user who may not list or abort them leaves them."""
    bucket, _, prefix = root.partition("/")
    with suppress(PermissionError):
        begun = files.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=f"{prefix}/").get("Uploads", ())
        for upload in begun:
            if upload["Initiated"].timestamp() < before:
                files.call_s3("abort_multipart_upload", Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])

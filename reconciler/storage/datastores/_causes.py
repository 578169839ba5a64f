"""Why storage services fail: the causes, and the table of what the drivers raise for each.

No driver is imported here: its exceptions are known by the names of their classes, the codes of the services, and the
numbers of HTTP and of the operating system.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Mapping
from typing import NamedTuple


class Cause(NamedTuple):
    """Why a service failed: the code of the diagnostic, what happened, and what to do."""

    code: str
    what: str
    hint: str


WRONG_CREDENTIAL = Cause("datastore-credential", "does not accept {credential}", "correct the value of the secret")
NO_TLS = Cause(
    "datastore-credential",
    "has an endpoint without https, to which {credential} is not sent",
    "bind an account key or a SAS token under secrets: in mlgit.yml, or write an https endpoint",
)
EXPIRED = Cause(
    "datastore-credential-expired",
    "does not accept {credential}, which has expired",
    "make a new one, and set the secret to it",
)
NO_CONTAINER = Cause(
    "datastore-missing", "has no such container, share, bucket or folder", "create it, or correct its name"
)
NO_PATH = Cause("datastore-path-missing", "has no such path", "correct the path")
DENIED = Cause("datastore-denied", "does not allow this with {credential}", "give it the permission to do so")
THROTTLED = Cause("datastore-throttled", "asks for fewer requests, after several tries too", "try again later")
NO_HOST = Cause("datastore-host-unknown", "cannot be reached: its host has no address", "correct the endpoint")
TLS = Cause("datastore-tls", "has no certificate that this machine trusts", "correct the endpoint, or trust its CA")
HOST_KEY = Cause("datastore-host-key", "shows a host key that is not in known_hosts", "compare the key, then add it")
CUT = Cause(
    "datastore-unreachable", "cannot be reached, or the connection was cut", "check the endpoint, and try again"
)
CLOCK = Cause("datastore-clock", "does not accept the time of this machine", "set the clock of this machine")
QUOTA = Cause("datastore-quota", "has no space left", "delete files, or ask for more space")
NO_FILE = Cause("datastore-not-a-file", "has a folder there, and not a file", "name a file")
NO_FOLDER = Cause("datastore-not-a-folder", "has a file there, and not a folder", "name a folder")
CHANGED = Cause("datastore-file-changed", "has another file there than before", "register a new version of the data")
BAD_NAME = Cause("datastore-name", "does not allow this name", "rename the file")
FAILED = Cause("datastore-failed", "failed", "see what it says; `mlgit data stat` asks it again")

# Codes of services (Azure, S3, HDFS) and names of classes of exceptions; the first that occurs decides.
BY_NAME: Mapping[str, Cause] = {
    **dict.fromkeys(("RequestTimeTooSkewed", "RequestExpired"), CLOCK),
    **dict.fromkeys(("ExpiredToken", "TokenRefreshRequired", "PasswordExpired"), EXPIRED),
    **dict.fromkeys(
        (
            *("AuthenticationFailed", "NoAuthenticationInformation", "InvalidAuthenticationInfo"),
            *("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "NoCredentialsError"),
            *("ClientAuthenticationError", "CredentialUnavailableError", "PartialCredentialsError"),
            *("LogonFailure", "WrongPassword", "SMBAuthenticationError", "PermissionDenied", "SpnegoError"),
            *("KeyImportError", "KeyEncryptionError", "AuthenticationException"),
        ),
        WRONG_CREDENTIAL,
    ),
    **dict.fromkeys(
        (
            *("AuthorizationFailure", "AuthorizationPermissionMismatch", "AuthorizationProtocolMismatch"),
            *("AuthorizationSourceIPMismatch", "AuthorizationServiceMismatch", "AuthorizationResourceTypeMismatch"),
            *("InsufficientAccountPermissions", "KeyBasedAuthenticationNotPermitted", "PublicAccessNotPermitted"),
            *("AccessDenied", "AccessControlException", "SecurityException", "SFTPPermissionDenied"),
        ),
        DENIED,
    ),
    **dict.fromkeys(("ContainerNotFound", "FilesystemNotFound", "NoSuchBucket", "BadNetworkName"), NO_CONTAINER),
    "InvalidPathException": BAD_NAME,
    **dict.fromkeys(("BlobNotFound", "PathNotFound", "NoSuchKey", "SFTPNoSuchFile", "SFTPNoSuchPath"), NO_PATH),
    **dict.fromkeys(
        ("ServerBusy", "TooManyRequests", "SlowDown", "OperationTimedOut", "RequestLimitExceeded"), THROTTLED
    ),
    **dict.fromkeys(
        ("QuotaExceeded", "StorageQuotaExceeded", "DiskFull", "SFTPNoSpaceOnFilesystem", "SFTPQuotaExceeded"), QUOTA
    ),
    **dict.fromkeys(("ConditionNotMet", "PreconditionFailed", "FileExpired"), CHANGED),
    **dict.fromkeys(("HostKeyNotVerifiable",), HOST_KEY),
    **dict.fromkeys(("FileIsADirectory", "SFTPFileIsADirectory"), NO_FILE),
    **dict.fromkeys(("StatusNotADirectory", "SFTPNotADirectory"), NO_FOLDER),
    **dict.fromkeys(("ObjectNameInvalid", "InvalidPathException", "SFTPInvalidFilename", "InvalidUri"), BAD_NAME),
    **dict.fromkeys(("SSLError", "SSLCertVerificationError", "ClientConnectorCertificateError"), TLS),
    **dict.fromkeys(("ClientConnectorDNSError",), NO_HOST),
}
# Names of exceptions that wrap others, which say more: they decide if nothing else does.
BY_WRAPPER: Mapping[str, Cause] = dict.fromkeys(
    (
        *("ServiceRequestError", "ServiceResponseError", "IncompleteReadError", "ClientPayloadError"),
        *("ServerDisconnectedError", "IncompleteRead", "EndpointConnectionError", "HTTPClientError"),
        *("ReadTimeoutError", "FSTimeoutError", "DisconnectError", "SMBConnectionClosed", "SFTPConnectionLost"),
        *("ConnectionClosedError", "ConnectionError", "ChunkedEncodingError", "TimeoutError", "SFTPNoConnection"),
        *("ConnectionLost", "ConnectTimeoutError"),
    ),
    CUT,
)
BY_ERRNO: Mapping[int, Cause] = {
    errno.ENOENT: NO_PATH,
    errno.EISDIR: NO_FILE,
    errno.ENOTDIR: NO_FOLDER,
    errno.EEXIST: NO_FOLDER,  # what creates folders finds a file
    errno.EACCES: DENIED,
    errno.EPERM: DENIED,
    errno.EROFS: DENIED,
    errno.ENOSPC: QUOTA,
    errno.EDQUOT: QUOTA,
    errno.ENAMETOOLONG: BAD_NAME,
    errno.EILSEQ: BAD_NAME,
    errno.ECONNREFUSED: CUT,
    errno.ECONNRESET: CUT,
    errno.EPIPE: CUT,
    errno.ETIMEDOUT: CUT,
    errno.EHOSTUNREACH: CUT,
    errno.ENETUNREACH: CUT,
}
BY_STATUS: Mapping[int, Cause] = {
    401: WRONG_CREDENTIAL,
    403: DENIED,
    404: NO_PATH,
    412: CHANGED,
    429: THROTTLED,
    503: THROTTLED,
    507: QUOTA,
}
# https://learn.microsoft.com/openspecs/windows_protocols/ms-erref/596a1078-e883-4972-9bbc-49e60bebca55
BY_NT_STATUS: Mapping[int, Cause] = {
    0xC0000022: DENIED,
    0xC000003A: NO_PATH,
    0xC0000043: DENIED,  # another one has the file open
    0xC000007F: QUOTA,
    0xC00000BA: NO_FILE,
    0xC00000CC: NO_CONTAINER,
    0xC0000103: NO_FOLDER,
    0xC0000033: BAD_NAME,
}
BY_TYPE: tuple[tuple[type[BaseException], Cause], ...] = (
    (socket.gaierror, NO_HOST),
    (ssl.SSLError, TLS),
    (FileNotFoundError, NO_PATH),
    (IsADirectoryError, NO_FILE),
    (NotADirectoryError, NO_FOLDER),
    (PermissionError, DENIED),
)
# Where a service has one code for several causes, or a driver none at all: what its text says.
BY_TEXT: tuple[tuple[re.Pattern[str], Cause], ...] = (
    (re.compile(r"date header too old|request date|RequestTimeTooSkewed", re.IGNORECASE), CLOCK),
    (re.compile(r"not valid in the specified time frame|signature has expired", re.IGNORECASE), EXPIRED),
    (re.compile(r"token credential is only supported with https", re.IGNORECASE), NO_TLS),
    (re.compile(r"failed to authenticate", re.IGNORECASE), WRONG_CREDENTIAL),
    (re.compile(r"quota|no space left|insufficient storage", re.IGNORECASE), QUOTA),
    (
        re.compile(r"name or service not known|name resolution|getaddrinfo|nodename nor servname", re.IGNORECASE),
        NO_HOST,
    ),
    (re.compile(r"maximum path component name limit", re.IGNORECASE), BAD_NAME),
    (re.compile(r"host key", re.IGNORECASE), HOST_KEY),
    (re.compile(r"name node is in safe mode|not supported in state standby", re.IGNORECASE), CUT),
    (re.compile(r"already exists as file|is not a directory", re.IGNORECASE), NO_FOLDER),
)

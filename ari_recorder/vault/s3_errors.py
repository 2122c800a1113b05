"""What a store's refusals and a network's faults mean: one sentence each, nothing secret in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ari_recorder.domain.errors import ObjectStoreAway, ObjectStoreRefused

_REFUSED = {
    "InvalidAccessKeyId": "it does not know the access key",
    "SignatureDoesNotMatch": "the secret key is not that of the access key",
    "AccessDenied": "the key has no right to do this",
    "AllAccessDisabled": "the bucket is closed",
    "AccountProblem": "there is a problem with the account",
    "NoSuchBucket": "there is no such bucket",
    "PermanentRedirect": "the bucket is in another region",
    "AuthorizationHeaderMalformed": "the request was signed for another region",
    "RequestTimeTooSkewed": "the clocks of this host and of the store differ too much",
    "NotImplemented": "it cannot do this",
    "MethodNotAllowed": "it cannot do this",
    "InvalidBucketState": "the state of the bucket forbids it",
    "QuotaExceeded": "its room is used up",
    "InsufficientStorage": "its room is used up",
}
# What was asked for is not there. HEAD answers with a number alone.
_ABSENT = frozenset(
    (
        "NoSuchKey",
        "NoSuchVersion",
        "NoSuchUpload",
        "404",
        "ObjectLockConfigurationNotFoundError",
        "ReplicationConfigurationNotFoundError",
    )
)
_OF_NUMBER = {"400": "it does not take the request", "401": "it does not know the key", "403": "the key has no right"}


class Absent(Exception):
    """There is no such thing in the store. `marker`: the version of the delete marker that says so, if one does."""

    def __init__(self, marker: str = "") -> None:
        self.marker = marker


@contextmanager
def told(name: str) -> Iterator[None]:
    """Errors of the client as ours: Absent, ObjectStoreRefused where somebody has to mend something, ObjectStoreAway
    for the rest."""
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ClientError as error:
        raise _meaning(name, error.response) from None
    except (BotoCoreError, HTTPClientError, HTTPError, OSError) as error:
        raise ObjectStoreAway(name=name, reason=_trouble(error)) from None


def _meaning(name: str, response: dict[str, Any]) -> Exception:
    code = str(response.get("Error", {}).get("Code", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _ABSENT:
        headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        return Absent(headers.get("x-amz-version-id", "") if headers.get("x-amz-delete-marker") == "true" else "")
    if code in _REFUSED:
        return ObjectStoreRefused(name=name, reason=f"{_REFUSED[code]} ({code})")
    if code in _OF_NUMBER:
        return ObjectStoreRefused(name=name, reason=f"{_OF_NUMBER[code]} ({code})")
    return ObjectStoreAway(name=name, reason=f"it answered {status} {code}".strip())


def _trouble(error: Exception) -> str:
    """The name of the fault: botocore's own sentences have addresses and whole requests in them."""
    words = {
        "EndpointConnectionError": "it cannot be reached",
        "ConnectTimeoutError": "it does not take the connection",
        "ReadTimeoutError": "it does not answer in time",
        "SSLError": "its certificate is not one that is trusted",
        "ConnectionClosedError": "it closed the connection",
        "ResponseStreamingError": "it broke off in the middle of an answer",
        "IncompleteReadError": "it broke off in the middle of an answer",
        "IncompleteRead": "it broke off in the middle of an answer",
        "ProtocolError": "it broke off in the middle of an answer",
        "TimeoutError": "it takes the bytes too slowly",
    }
    kind = type(error).__name__
    return words.get(kind, kind)

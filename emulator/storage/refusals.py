"""What Cloud Storage answers when it does not do what was asked, in JSON and in XML."""

from typing import Final
from xml.sax.saxutils import escape

import msgspec

from emulator.errors import CmleError

_XML_CODES: Final = {
    304: "NotModified",
    400: "InvalidArgument",
    401: "AuthenticationRequired",
    403: "AccessDenied",
    404: "NoSuchKey",
    405: "MethodNotAllowed",
    408: "RequestTimeout",
    409: "BucketAlreadyExists",
    412: "PreconditionFailed",
    413: "EntityTooLarge",
    416: "InvalidRange",
    429: "SlowDown",
    501: "NotImplemented",
    503: "ServiceUnavailable",
}


class Refusal(CmleError):
    """A status, a reason in the JSON API's words, a code in the XML API's, a sentence."""

    def __init__(self, status: int, reason: str, message: str, xml_code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.xml_code = xml_code or _XML_CODES.get(status, "InternalError")

    def json(self) -> bytes:
        detail = {"message": self.message, "domain": "global", "reason": self.reason}
        error = {"code": self.status, "message": self.message, "errors": [detail]}
        return msgspec.json.encode({"error": error})

    def xml(self) -> bytes:
        return (
            "<?xml version='1.0' encoding='UTF-8'?><Error>"
            f"<Code>{self.xml_code}</Code><Message>{XML_MESSAGES.get(self.xml_code, '')}</Message>"
            f"<Details>{escape(self.message)}</Details></Error>"
        ).encode()


XML_MESSAGES: Final = {
    "AccessDenied": "Access denied.",
    "BucketAlreadyExists": "The requested bucket name is not available.",
    "BucketNotEmpty": "The bucket you tried to delete is not empty.",
    "EntityTooLarge": "Your proposed upload exceeds what can be stored.",
    "InvalidArgument": "Invalid argument.",
    "InvalidBucketName": "The specified bucket is not valid.",
    "InvalidRange": "The requested range cannot be satisfied.",
    "MethodNotAllowed": "The specified method is not allowed against this resource.",
    "NoSuchBucket": "The specified bucket does not exist.",
    "NoSuchKey": "The specified key does not exist.",
    "NotImplemented": "A header or query you provided requested a function that is not served.",
    "PreconditionFailed": "At least one of the pre-conditions you specified did not hold.",
    "ServiceUnavailable": "Please try again later.",
}


def invalid(message: str) -> Refusal:
    return Refusal(400, "invalid", message)


def required(what: str) -> Refusal:
    return Refusal(400, "required", f"Required parameter: {what}")


def forbidden(message: str) -> Refusal:
    return Refusal(403, "forbidden", message)


def no_path(path: str) -> Refusal:
    return Refusal(404, "notFound", f"Not Found: {path}")


def no_bucket() -> Refusal:
    return Refusal(404, "notFound", "The specified bucket does not exist.", "NoSuchBucket")


def no_object(bucket: str, name: str) -> Refusal:
    return Refusal(404, "notFound", f"No such object: {bucket}/{name}")


def not_served(method: str, path: str) -> Refusal:
    return Refusal(405, "methodNotAllowed", f"{method} is not served for {path}.")


def precondition_failed() -> Refusal:
    return Refusal(412, "conditionNotMet", XML_MESSAGES["PreconditionFailed"])


def not_modified() -> Refusal:
    return Refusal(304, "notModified", "")


def disk_full(detail: str) -> Refusal:
    """413, because it is the one code for this that TensorFlow does not retry for minutes."""
    return Refusal(
        413,
        "uploadTooLarge",
        "The disk that holds the emulator's objects is full; nothing of this upload was kept. Free "
        f"some space, or use a data directory on another disk. ({detail})",
    )


def backend_error(detail: str) -> Refusal:
    return Refusal(503, "backendError", f"The emulator's storage is not available: {detail}")

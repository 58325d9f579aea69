"""Verification of what a service sends to a webhook, by the Standard Webhooks (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

SECRET_PREFIX = "whsec_"  # noqa: S105  of any secret
TOLERANCE_S = 300.0
"""How much older, or newer, than now a message may be: a recorded one cannot be sent again later."""


class VerificationError(Exception):
    """The message was not signed with this secret, was changed on its way, or is too old."""


class Message(BaseModel):
    """A verified message.

    Attributes:
        id: The same whenever it is sent again: handle each id once.
        type: Such as ``prediction.succeeded``.
        data: Such as the prediction; `mls.Prediction.model_validate` reads one.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    type: str
    timestamp: datetime
    data: dict[str, Any]


def verify(
    body: bytes | str, headers: Mapping[str, str], secret: str | Sequence[str], *, tolerance_s: float = TOLERANCE_S
) -> Message:
    """Check a message as it came and return it.

    Args:
        body: The bytes of the request, not decoded and encoded again.
        headers: Of the request, in any case.
        secret: ``whsec_…``; several while the secret is being rotated.

    Raises:
        VerificationError: It is not to be trusted.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, sent_at, signatures = (lower[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    except KeyError:
        raise VerificationError("A header webhook-id, webhook-timestamp or webhook-signature is missing.") from None
    # Before anything is made of them: anybody may send any text.
    if not (message_id.isascii() and signatures.isascii() and re.fullmatch(r"[0-9]{1,15}", sent_at)):
        raise VerificationError("A header webhook-id, webhook-timestamp or webhook-signature is none of a webhook.")
    try:
        raw = body.encode() if isinstance(body, str) else body
    except UnicodeEncodeError:
        raise VerificationError("The body is no text that was sent.") from None
    age_s = time.time() - int(sent_at)
    if abs(age_s) > tolerance_s:
        raise VerificationError("The message is too old, or from the future.")
    signed = f"{message_id}.{sent_at}.".encode() + raw
    given = [value for version, _, value in (one.partition(",") for one in signatures.split()) if version == "v1"]
    secrets = [secret] if isinstance(secret, str) else secret
    if not any(hmac.compare_digest(_signature(key, signed), one.encode()) for key in secrets for one in given):
        raise VerificationError("No signature is right.")
    try:
        return Message.model_validate({**json.loads(raw), "id": message_id})
    except (ValueError, TypeError) as error:
        raise VerificationError("The message is signed, but is none of a webhook.") from error


def _signature(secret: str, signed: bytes) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("A webhook's secret is whsec_ and Base64.") from None
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())

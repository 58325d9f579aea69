"""The headers `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10)."""

from __future__ import annotations

import math
from collections.abc import Mapping

from starlette.types import Scope

from ml_service.domain.rate_limits import Note, RateLimit

SCOPE_KEY = "rate_limits"
POLICY_HEADER, LIMIT_HEADER = "RateLimit-Policy", "RateLimit"


def noting(scope: Scope) -> Note:
    """Have the answer to this request, also if it is an error, say the limits that it was counted by."""
    noted: dict[str, RateLimit] = scope[SCOPE_KEY]

    def note(limit: RateLimit) -> None:
        noted[limit.name] = limit

    return note


def headers(noted: Mapping[str, RateLimit]) -> list[tuple[bytes, bytes]]:
    """What an answer says of the limits that were noted: the names, quotas and windows; what is left, until when."""
    policies = ", ".join(f'"{one.name}";q={one.hits_max};w={math.ceil(one.window_s)}' for one in noted.values())
    left = ", ".join(f'"{one.name}";r={one.left};t={math.ceil(max(0.0, one.seconds_left))}' for one in noted.values())
    return [(POLICY_HEADER.lower().encode(), policies.encode()), (LIMIT_HEADER.lower().encode(), left.encode())]

"""The headers of every answer, and what pages may do. services/nginx/answers.conf says the same for nginx."""

from __future__ import annotations

Headers = list[tuple[bytes, bytes]]

API_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
IMPORT_MAP_SHA256 = "MZbXP/NHdBI/jJZs+BHoHX27YvNBcY3pRZdOfKz7GiI="
"""Of the import map in services/app/web/index.html, base64: the only script that does not stand in a file."""
PAGE_POLICY = (
    f"default-src 'none'; script-src 'self' 'sha256-{IMPORT_MAP_SHA256}'"
    "; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; font-src 'none'; object-src 'none'"
    "; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    "; trusted-types 'none'"
)
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'"
    "; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Swagger UI writes HTML, so no Trusted Types."""

NOT_KEPT = "no-store"
KEPT_AND_ASKED_FOR_AGAIN = "no-cache"
KEPT_FOR_GOOD = "public, max-age=31536000, immutable"

API_HEADERS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", API_POLICY.encode()),
    (b"cache-control", NOT_KEPT.encode()),
]
"""Of each answer that does not have its own."""

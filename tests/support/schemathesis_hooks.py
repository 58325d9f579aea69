"""What Schemathesis has to know of the service; read by its own process, by SCHEMATHESIS_HOOKS."""

from __future__ import annotations

import schemathesis

schemathesis.serializer.alias(["application/x-ndjson", "text/csv"], "text/plain")

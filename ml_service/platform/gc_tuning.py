"""GC tuning for busy processes."""

from __future__ import annotations

import gc


def tune_gc() -> None:
    """Collect cycles rarely, and leave out what already exists.

    A request or a batch makes thousands of objects without cycles, and searching them again and again is wasted time.
    Call it once everything is imported and set up.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)

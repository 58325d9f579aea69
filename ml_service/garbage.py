"""How seldom a busy process looks for garbage."""

from __future__ import annotations

import gc


def seldom_collect() -> None:
    """Have Python look for cycles seldom, and never among what is there already.

    A request or a batch makes thousands of objects that hold no cycles: looking for some among them, again and again,
    is waste. To be called once everything is imported and made.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)

"""Opens the page in a browser, for `--open`. Standard library only."""

from __future__ import annotations

import os
import sys
import webbrowser

_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
"""Where none of them is set, a Linux has at best a browser for the terminal, which would take this one."""


def open_page(address: str) -> bool:
    """Whether a browser was told to show ``address``."""
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in _SCREENS):
        return False
    try:
        return webbrowser.open(address)
    except webbrowser.Error:
        return False

"""Why a model is not served, as everybody may read it: `GET /models` shows it to callers without an account.

Authors need the file's name and the line; where the service lies on its machine is nobody's business.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

CHARS_MAX = 500

# An exception's text may quote the address of a model's own database.
_URL_PASSWORD = re.compile(r"://[^/\s@]*@")
# In quotes with all that is in it, as Python shows a path; elsewhere up to a blank. Not the path of a URL.
_ABSOLUTE_PATH = re.compile(
    r"""(?<=['"])/[^'"\n/]+/[^'"\n]+(?=['"]) | (?<![\w/:.…~@-])/[^\s'"(),;:/]+/[^\s'"(),;:]+""", re.VERBOSE
)
_PACKAGES = "/site-packages/"


def public_reason(text: str, models_folder: Path) -> str:
    """Return a reason without passwords in addresses and without absolute paths of this machine.

    Args:
        text: One sentence of ours, or what a model's exception says.
        models_folder: Files in it are named from it on, as ``models/mine/model.py``; others by their name alone.

    Returns:
        `CHARS_MAX` characters at most.
    """
    for folder in {str(models_folder), os.path.realpath(models_folder)}:
        text = text.replace(f"{folder}/", f"{models_folder.name}/")
        text = re.sub(rf"{re.escape(folder)}(?![\w/.-])", models_folder.name, text)
    text = _ABSOLUTE_PATH.sub(lambda found: _shortened(found[0]), text)
    return _URL_PASSWORD.sub("://…@", text)[:CHARS_MAX]


def _shortened(path: str) -> str:
    """The end of a path of this machine: the file in its package, or its name; anything else, a route say, as it is."""
    if not os.path.lexists("/" + path.split("/")[1]):
        return path
    _, _, in_package = path.rpartition(_PACKAGES)
    return f"…/{in_package if _PACKAGES in path else path.rstrip('/').rpartition('/')[2]}"

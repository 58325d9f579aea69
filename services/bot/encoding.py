"""Which encoding a text is in that is no UTF: they use the same bytes for other letters.

The page has the same rule (`singleByteOf` in services/app/web/bulk/encoding.js), and tests compare the two.
"""

from __future__ import annotations

import re

CYRILLIC = ("cp1251", "koi8_r", "cp866", "mac_cyrillic")
"""What spreadsheets in Russian write, the most usual one first."""
WESTERN = "cp1252"
_AMONG_LATIN = re.compile(rb"(?<=[A-Za-z])[\x80-\xff]|[\x80-\xff](?=[A-Za-z])")
_HIGH = re.compile(rb"[\x80-\xff]")
_WEIGHTS = {
    letter: weight
    for letters, weight in {
        "о": 47, "еа": 44, "и": 43, "н": 42, "т": 41, "с": 40, "р": 39, "вл": 38, "к": 36, "м": 35, "д": 34, "пу": 33,
        "я": 30, "ыь": 29, "гзб": 28, "ч": 27, "й": 25, "х": 23, "ж": 22, "ш": 20, "ю": 19, "ц": 16, "щ": 13, "э": 12,
        "ф": 10, "ъё": 0,
    }.items()
    for letter in letters
}  # fmt: skip
"""Ten times the logarithm of how often a letter stands among a thousand of Russian (Lyashevskaya and Sharov, 2009)."""
_TURNED = re.compile("[а-яё][А-ЯЁ]")
"""A capital behind a small letter: the case of each letter is turned in the wrong encoding."""
_WORD = re.compile("[а-яё]{2,}", re.IGNORECASE)
"""A letter that stands alone says nothing: it may be a dash, a quotation mark or a space of another encoding."""
_SMALL = re.compile("[а-яё]")
_STRANGE = re.compile("[^\0-\x7fа-яёА-ЯЁ«»„“”‘’…–—№\xa0]")
TURNED, STRANGE = 50, 30
SMALL, USUAL = 25, 10
"""Most texts are written small, and most are in windows-1251: it takes more than a letter or two to say otherwise."""


def encoding_of(sample: bytes) -> str:
    """`WESTERN` where most letters beyond ASCII stand among Latin ones, or none is in a Russian word; else the best.

    In the right one of `CYRILLIC` the letters are the usual ones of Russian, and most of them small.
    """
    texts = {encoding: sample.decode(encoding, errors="replace") for encoding in CYRILLIC}
    if 2 * len(_AMONG_LATIN.findall(sample)) > len(_HIGH.findall(sample)) or not any(map(_WORD.search, texts.values())):
        return WESTERN
    return max(CYRILLIC, key=lambda encoding: _likelihood(texts[encoding], encoding))


def _likelihood(text: str, encoding: str) -> int:
    words = "".join(_WORD.findall(text))
    usual = sum(_WEIGHTS.get(letter, 0) for letter in words.lower())
    is_small = 2 * len(_SMALL.findall(words)) > len(words)
    wrong = TURNED * len(_TURNED.findall(text)) + STRANGE * len(_STRANGE.findall(text))
    return usual - wrong + SMALL * is_small + USUAL * (encoding == CYRILLIC[0])

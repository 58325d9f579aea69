"""Users, and the rules for user names and passwords."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from ml_service.domain.errors import InvalidInput
from ml_service.domain.roles import Role

USERNAME_LENGTH_MIN = 3
USERNAME_LENGTH_MAX = 64
PASSWORD_LENGTH_MIN = 8  # OWASP ASVS 5, 6.2.1
PASSWORD_LENGTH_MAX = 128  # OWASP ASVS 5, 6.2.9 asks for at least 64

_ALIKE = str.maketrans("аеорсухіјѕԁһӏкмтвнαεορκντυιϲμɑı", "aeopcyxijsdhlkmtbhaeopkvtuicmai")
"""Letters of other scripts, and rare Latin ones, that look like Latin ones (from Unicode's confusables, UTS #39)."""
_RESERVED = frozenset({"admin", "administrator", "root", "support", "system", "test"})
_TOGETHER = (frozenset({"CJK", "HIRAGANA", "KATAKANA"}), frozenset({"CJK", "HANGUL"}), frozenset({"CJK", "BOPOMOFO"}))
"""Scripts that one language writes together (UTS #39, 5.2)."""
_USERNAME = re.compile(r"[\w](?:[\w.@+-]*[\w])?")
_OF_DELETED = re.compile(r"deleted-[0-9a-f]{32}")
"""See `deleted_name`: a name that is taken could not be given to the account when it is deleted."""


Language = Literal["en", "ru"]


@dataclass(frozen=True, slots=True)
class User:
    """A person or a program that pays for predictions.

    Attributes:
        role: What they may do beside using the service; None, as most: nothing.
        is_demo: The demo user test/test, which exists in demo mode only.
        balance: Credits that can be spent.
        language: None: as the browser says.
        notify: Who also gets answers where a request does not say (`submissions.Receiver`).
    """

    id: UUID
    username: str
    role: Role | None
    is_demo: bool
    balance: int
    created_at: datetime
    language: Language | None = None
    notify: tuple[str, ...] = ()

    @property
    def is_admin(self) -> bool:
        """Whether they may do everything."""
        return self.role is Role.ADMIN


def username_key(username: str) -> str:
    """What makes two user names the same: compatibility-normalised and without case (Unicode UAX #15, #31)."""
    return unicodedata.normalize("NFKC", username).casefold()


DELETED = "This account was deleted."


def deleted_name(user_id: UUID) -> str:
    """What a deleted account is called from then on, and its key; nobody else can be called so."""
    return f"deleted-{user_id.hex}"


def check_username(username: str) -> str:
    """Return the name as it will be kept; raises InvalidInput where it does not fit the rules."""
    name = unicodedata.normalize("NFC", username)
    if not USERNAME_LENGTH_MIN <= len(name) <= USERNAME_LENGTH_MAX:
        raise _invalid("username", f"A user name has {USERNAME_LENGTH_MIN} to {USERNAME_LENGTH_MAX} characters.")
    if not _USERNAME.fullmatch(name):
        raise _invalid(
            "username",
            "A user name consists of letters, digits and . _ @ + - and begins and ends with a letter or a digit.",
        )
    if not _is_of_one_script(name):
        raise _invalid("username", "A user name has letters of one script only.")
    if _looks_reserved(name):
        raise _invalid("username", "This user name looks like another one; choose a different name.")
    return name


def _is_of_one_script(name: str) -> bool:
    letters = filter(str.isalpha, unicodedata.normalize("NFKC", name))
    # The standard library knows no scripts, but the name of a letter begins with its script's.
    scripts = {unicodedata.name(letter, "UNKNOWN").partition(" ")[0].partition("-")[0] for letter in letters}
    return len(scripts) <= 1 or any(scripts <= together for together in _TOGETHER)


def _looks_reserved(name: str) -> bool:
    """Whether a name only looks like one that people trust; the name itself may be taken."""
    key = username_key(name)
    return (key not in _RESERVED and key.translate(_ALIKE) in _RESERVED) or _OF_DELETED.fullmatch(key) is not None


def password_of(text: str) -> str:
    """What is hashed: one spelling of letters that some systems send as one character and others as two (RFC 8265)."""
    return unicodedata.normalize("NFC", text)


def check_password(password: str, username: str, common: frozenset[str]) -> None:
    """Raise InvalidInput where the password is too short, too long, common, or the user name itself.

    Any character is allowed and none is required (OWASP ASVS 5, 6.2.5). ``common`` is in lower case.
    """
    password = password_of(password)
    if not PASSWORD_LENGTH_MIN <= len(password) <= PASSWORD_LENGTH_MAX:
        raise _invalid("password", f"A password has {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} characters.")
    if "\0" in password:
        raise _invalid("password", "A NUL character is not allowed.")
    if any("\ud800" <= character <= "\udfff" for character in password):
        raise _invalid("password", "A password is UTF-8 text.")
    if password.lower() in common:
        raise _invalid("password", "This password is among the most common ones; choose another.")
    if username_key(password) == username_key(username):
        raise _invalid("password", "The password must differ from the user name.")


def _invalid(field: str, message: str) -> InvalidInput:
    return InvalidInput(message, errors=[{"location": f"body.{field}", "message": message}])

"""The two languages say the same, and nothing that is put into a phrase can break it."""

from __future__ import annotations

import re
from functools import cache

import pytest
from fluent.syntax import FluentParser, ast
from hypothesis import given
from hypothesis import strategies as st

from ml_service.domain import errors
from ml_service.domain.ledger import Kind
from services.bot.menu import COMMANDS
from services.bot.phrases import LANGUAGES, LOCALES, Html, clean, cut, escaped, language_of, phrases
from tests.support.telegram_rules import read_html

DESCRIPTION_CHARS_MAX = 256  # of a command; core.telegram.org/bots/api#botcommand


@cache
def messages(language: str) -> dict[str, set[str]]:
    """Every message of a locale and the variables in it."""
    source = (LOCALES / language / "bot.ftl").read_text(encoding="utf-8")
    found = {}
    for entry in FluentParser().parse(source).body:
        assert not isinstance(entry, ast.Junk), entry.content
        if isinstance(entry, ast.Message):
            assert entry.value is not None
            found[entry.id.name] = set(re.findall(r"\$(\w+)", source[entry.span.start : entry.span.end]))  # type: ignore[union-attr]
    return found


def test_both_languages_have_the_same_messages_with_the_same_values() -> None:
    assert messages("en") == messages("ru")


def every_error(root: type[errors.ServiceError] = errors.ServiceError) -> set[str]:
    return {sub.code for sub in root.__subclasses__()} | {
        code for sub in root.__subclasses__() for code in every_error(sub)
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_error_kind_and_command_has_its_words(language: str) -> None:
    t = phrases(language)
    assert [code for code in every_error() if not t.has(f"error-{code}")] == []
    assert [kind for kind in Kind if not t.has(f"kind-{kind}")] == []
    for command in COMMANDS:
        assert 1 <= len(t.plain(f"command-{command}")) <= DESCRIPTION_CHARS_MAX
    assert len(t.plain("profile-about")) <= 120
    assert len(t.plain("profile-description")) <= 512


@pytest.mark.parametrize(
    ("count", "russian", "english"),
    [
        (0, "0 кредитов", "0 credits"),
        (1, "1 кредит", "1 credit"),
        (2, "2 кредита", "2 credits"),
        (5, "5 кредитов", "5 credits"),
        (11, "11 кредитов", "11 credits"),
        (14, "14 кредитов", "14 credits"),
        (21, "21 кредит", "21 credits"),
        (22, "22 кредита", "22 credits"),
        (111, "111 кредитов", "111 credits"),
        (1001, "1\xa0001 кредит", "1,001 credits"),
    ],
)
def test_plural_forms(count: int, russian: str, english: str) -> None:
    assert phrases("ru")("credits", count=count) == russian
    assert phrases("en")("credits", count=count) == english


@pytest.mark.parametrize(
    ("seconds", "russian", "english"),
    [
        (0.2, "1 секунду", "1 second"),
        (3, "3 секунды", "3 seconds"),
        (90, "90 секунд", "90 seconds"),
        (298, "5 минут", "5 minutes"),
        (61 * 60, "61 минуту", "61 minutes"),
        (3 * 3600 - 5, "3 часа", "3 hours"),
    ],
)
def test_a_wait_is_said_in_a_persons_units(seconds: float, russian: str, english: str) -> None:
    assert phrases("ru").duration(seconds) == russian
    assert phrases("en").duration(seconds) == english


@given(st.text())
def test_whatever_is_put_in_is_shown_as_it_is(text: str) -> None:
    shown, wrong = read_html(phrases("en")("model-chosen", model=text, how=Html("")))
    assert wrong is None
    assert clean(text) in shown


@given(st.text(alphabet=st.characters(), max_size=50), st.integers(1, 20))
def test_a_cut_text_is_no_longer_than_asked(text: str, units_max: int) -> None:
    short = cut(text, units_max)
    assert len(short.encode("utf-16-le")) // 2 <= units_max
    assert short == clean(text) or short.endswith("…")


def test_what_would_disturb_is_taken_out() -> None:
    assert clean("a\u202eb\x00c\ud800d\r\ne") == "abcd\ne"
    assert escaped("<b>&") == "&lt;b&gt;&amp;"


@pytest.mark.parametrize(
    ("code", "language"), [("ru", "ru"), ("ru-RU", "ru"), ("en-GB", "en"), ("de", "en"), (None, "en"), ("", "en")]
)
def test_the_language_follows_telegrams(code: str | None, language: str) -> None:
    assert language_of(code) == language

"""Each command of `ml-service` and of `mls` is run by some test."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterable, Iterator
from importlib import import_module
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Any, get_origin

import pytest
import typer

from engine.command_line import parser as start_parser
from engine.native import environment
from ml_service.cli.commands import app
from ml_service.platform.settings.common import CommonSettings
from ml_service.platform.settings.reading import names_of
from mls.cli import _parser

TESTS = Path(__file__).parents[1]
OF_THE_ENGINE = {"DATABASE_URL", "AMQP_URL", "HOST", "PORT", "WORKER_NAME"}
"""Settings that it decides itself."""
PROGRAMS = {"ml_service.cli": (), "--cli": (), "mls": ("mls",)}
"""How tests start a command line, and the words that stand for it here."""

Words = tuple[str, ...]


def commands_of(command: Any, path: Words = ()) -> Iterator[Words]:
    if hasattr(command, "commands"):
        for name, one in command.commands.items():
            yield from commands_of(one, (*path, name))
    else:
        yield path


def parameters_of(command: Any, path: Words = ()) -> Iterator[tuple[Words, Any]]:
    """Each option and argument, with its command."""
    for name, one in getattr(command, "commands", {}).items():
        yield from parameters_of(one, (*path, name))
    for parameter in command.params:
        yield path, parameter


def numbers_of(command: Any) -> Iterator[tuple[Words, Any]]:
    """Those that are numbers."""
    for path, parameter in parameters_of(command):
        if parameter.type_descriptor.annotation in {int, float}:
            yield path, parameter


def expected() -> set[Words]:
    subparsers = next(one for one in _parser()._actions if isinstance(one, argparse._SubParsersAction))
    return {*commands_of(typer.main.get_command(app)), *(("mls", name) for name in subparsers.choices)}


def words_of(nodes: Iterable[ast.expr]) -> list[str | None]:
    return [node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None for node in nodes]


def first_words(words: Iterable[str | None]) -> Words:
    """The words up to the first value that is not written out; a database's URL or a fixture may come before them."""
    said = dropwhile(lambda word: word is None, words)
    return tuple(word for word in takewhile(lambda word: word is not None, said) if word is not None)


def run_in(text: str) -> set[Words]:
    """The command lines in a file of tests: its calls and lists of words, each after what the file puts before them."""
    lines = [
        words_of(node.args if isinstance(node, ast.Call) else node.elts)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call | ast.List | ast.Tuple)
    ]
    said, prefixes = {first_words(line) for line in lines}, {()}
    for line in lines:
        for program, words in PROGRAMS.items():
            if program in line:  # as `["mls", "bulk", "x.csv"]`, or `[…, "ml_service.cli", "models", *arguments]`
                prefixes.add((*words, *takewhile(lambda word: word is not None, line[line.index(program) + 1 :])))
    return {(*prefix, *words) for prefix in prefixes for words in {(), *said}}


def test_each_command_is_run_by_a_test() -> None:
    texts = [file.read_text() for file in TESTS.rglob("*.py") if file != Path(__file__)]
    # One that uses the fixture of another file has its name.
    starts = ("ml_service.cli", '"--cli"', '"mls"', "import run\n")
    run = {line for text in texts if any(word in text for word in starts) for line in run_in(text)}
    assert {one for one in expected() if not any(line[: len(one)] == one for line in run)} == set()
    assert len(expected()) > 40, "the parsers were read"


@pytest.mark.parametrize("text", ["1_0", " 10 ", "１０", "٣", "+5", "1e1", "0x10", "nan", "", "9" * 5000])
def test_a_number_on_the_command_line_is_written_in_digits(text: str) -> None:
    command = typer.main.get_command(app)
    found = list(numbers_of(command))
    assert len(found) > 10, "the parsers were read"
    for path, parameter in found:
        context = typer.Context(command)
        assert parameter.get_runtime_param().coerce("10", parameter, context) == 10, path
        with pytest.raises(typer.BadParameter):
            parameter.get_runtime_param().coerce(text, parameter, context)
    for option in ("--timeout", "--deadline"):
        with pytest.raises(SystemExit):
            _parser().parse_args(["predict", "hi", f"{option}={text}"])
    for option in ("--workers", "--port"):
        with pytest.raises(SystemExit):
            start_parser().parse_args(["--start", f"{option}={text}"])


def test_no_value_is_refused_in_the_words_of_a_library() -> None:
    """What is no text, file or switch has a parser of ours: typer's own would say "Value error, …"."""
    command, seen = typer.main.get_command(app), 0
    for path, parameter in parameters_of(command):
        kind = parameter.type_descriptor.annotation
        if kind in {str, bool, Path, list[str], list[Path]}:
            continue
        given = ["?"] if get_origin(kind) is list else "?"
        with pytest.raises(typer.BadParameter) as refused:
            parameter.get_runtime_param().coerce(given, parameter, typer.Context(command))
        assert refused.value.message.startswith("'?' "), path
        seen += 1
    assert seen > 20, "the parsers were read"


def test_each_setting_that_a_command_reads_reaches_it_natively(tmp_path: Path) -> None:
    seen = 0
    for module in (f"ml_service.cli.{name}" for name in ("backups", "common", "models", "retention", "system")):
        for value in vars(import_module(module)).values():
            if isinstance(value, type) and issubclass(value, CommonSettings):
                names = names_of(value)
                given = {name.upper(): "1" for name in names}
                missing = given.keys() - environment.for_service(None, tmp_path, given).keys() - OF_THE_ENGINE
                assert missing == set(), (module, value)
                seen += 1
    assert seen >= 5

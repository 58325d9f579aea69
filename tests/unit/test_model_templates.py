"""A new model can be loaded whatever it is called, and is there as a whole or not at all."""

from __future__ import annotations

import ast
import builtins
import errno
import keyword
import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from engine.common.state import ROOT
from ml_service.cli import model_templates
from ml_service.cli.model_templates import Template, create
from ml_service.domain.errors import InvalidInput
from ml_service.runtime.child.importing import import_model
from ml_service.runtime.host.declarations import spec_of
from ml_service.runtime.locations import BUNDLED_FOLDER

TAKEN = {each.name.replace("_", "-") for each in BUNDLED_FOLDER.iterdir()}


ODD = {*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "model", "base", "a--b", "0", "0-1", "class-"}


def identifiers(tree: ast.AST) -> set[str]:
    """Every name that is defined, imported or used."""
    fields = [value for node in ast.walk(tree) for _, value in ast.iter_fields(node)]
    return {value for value in fields if isinstance(value, str) and value.isidentifier()}


def as_model_names(words: Iterable[str]) -> list[str]:
    """All ways to call a model so that its class might get one of these names."""
    camel = {re.sub(r"(?<=[a-z])(?=[A-Z])", "-", word) for word in words}
    names = {one.replace("_", "-").lower().strip("-") for one in {*words, *camel}} - TAKEN
    return sorted(one for one in names if re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", one))


@pytest.mark.parametrize("template", Template)
def test_no_model_takes_a_name_that_its_template_has(template: Template) -> None:
    text = (ROOT / "models" / f"_{template}" / "model.py").read_text(encoding="utf-8")
    names = as_model_names(identifiers(ast.parse(text)) | ODD)
    assert {"answer", "none", "base-model"} <= {*names}
    for name in names:
        tree = ast.parse(model_templates._named(text, name))
        bases = {one.name: ast.unparse(one.bases[0]) for one in ast.walk(tree) if isinstance(one, ast.ClassDef)}
        (made,) = [one for one, base in bases.items() if base == "Model"]
        tree.body = [one for one in tree.body if not (isinstance(one, ast.ClassDef) and one.name == made)]
        assert made not in identifiers(tree), name


@pytest.mark.parametrize("name", ["answer", "none", "base", "0", "retry", "example"])
def test_a_model_of_any_name_can_be_announced(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    for template in (Template.PYTHON, Template.OPENAI):
        folder = create(name, template, tmp_path / template)
        assert [*folder.parent.iterdir()] == [folder], "nothing is left beside it"
        assert spec_of(import_model(name, str(folder / "model.py"))).name == name


def test_what_cannot_be_written_leaves_nothing_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[str] = []

    def fill(source: str, target: str, **_: object) -> str:
        if copied:
            raise OSError(errno.ENOSPC, "No space left on device", target)
        copied.append(source)
        return target

    with monkeypatch.context() as patched:
        copytree = shutil.copytree
        patched.setattr(shutil, "copytree", lambda *one, **more: copytree(*one, copy_function=fill, **more))
        with pytest.raises(InvalidInput, match=r"cannot be written here .*No space left on device"):
            create("half", Template.SKLEARN, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert create("half", Template.SKLEARN, tmp_path).is_dir()

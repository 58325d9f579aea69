"""What of the caller's settings of pip reaches an installation of ours."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from engine.common import pip_environment
from engine.common.errors import EngineError


def test_where_packages_come_from_is_as_the_configuration_files_and_variables_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip/pip.conf").write_text(
        "[global]\nquiet = 3\ntimeout = 7\nindex-url = https://first/simple\ntarget = /elsewhere\n"
        "find-links =\n  /one\n  /two%20\n[install]\nindex-url = https://company/simple\nuser = yes\n"
    )
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    for name, value in {
        "XDG_CONFIG_HOME": str(tmp_path),
        "PIP_DEFAULT_TIMEOUT": "9",
        "PIP_NO_INDEX": "",
        "HTTPS_PROXY": "http://proxy:1",
        "PYTHONPATH": "/elsewhere",
    }.items():
        monkeypatch.setenv(name, value)
    told = pip_environment.variables([sys.executable, "-m", "pip"])
    assert told["PIP_INDEX_URL"] == "https://company/simple"
    assert told["PIP_FIND_LINKS"].split() == ["/one", "/two%20"]
    assert told["PIP_TIMEOUT"] == "9", "a variable counts before a file"
    assert told["PIP_CONFIG_FILE"] == os.devnull
    assert told["HTTPS_PROXY"] == "http://proxy:1"
    assert (
        not {"PIP_TARGET", "PIP_USER", "PIP_QUIET", "PIP_NO_INDEX", "PIP_DEFAULT_TIMEOUT", "PYTHONPATH"} & told.keys()
    )


def test_of_two_files_with_one_option_pip_says_which_counts(tmp_path: Path) -> None:
    pip = tmp_path / "pip"
    pip.write_text(
        "#!/bin/sh\n[ $2 = get ] && echo https://user/simple && exit\n"
        "echo \"global.index-url='https://user/simple'\"\necho \"global.index-url='https://machine/simple'\"\n"
    )
    pip.chmod(0o755)
    told = pip_environment.variables([str(pip)], {})
    assert told["PIP_INDEX_URL"] == "https://user/simple"


def test_a_configuration_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("index-url = of no section\n")
    with pytest.raises(EngineError, match=r"pip cannot read its configuration files: [^\0]*section"):
        pip_environment.variables([sys.executable, "-m", "pip"], {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf")})

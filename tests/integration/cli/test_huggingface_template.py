"""The template for Hugging Face with a transformer of a few numbers, made on the spot: nothing is fetched.

PyTorch and transformers are no part of the tests' packages. Where a model's environment has them (``start.py --cli
models check NAME`` makes one), or the tests' own, this test is there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from engine.common.state import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LIBRARIES = ("torch", "transformers")
TINY = """
import sys
from pathlib import Path
from transformers import BertConfig, BertForSequenceClassification, BertModel, BertTokenizerFast

folder, kind = Path(sys.argv[1]), sys.argv[2]
folder.mkdir(exist_ok=True)
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "!"]
(folder / "vocab.txt").write_text("\\n".join(words))
BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder)
sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
config = BertConfig(vocab_size=len(words), id2label={0: "no", 1: "yes"}, label2id={"no": 0, "yes": 1}, **sizes)
{"classifier": BertForSequenceClassification, "encoder": BertModel}[kind](config).save_pretrained(folder)
"""
Run = Callable[..., subprocess.CompletedProcess[str]]


def _environments() -> list[Path]:
    """The environments that have the libraries."""
    there = [Path(sys.prefix)] if all(map(find_spec, LIBRARIES)) else []
    made = sorted((ROOT / "var" / "models").glob("*/lib/python3*/site-packages"))
    return there + [each.parents[2] for each in made if all((each / library).is_dir() for library in LIBRARIES)]


if not _environments():  # of the whole file: what is not installed on purpose is no gap in a run that forbids to skip
    pytest.skip("no environment has PyTorch and transformers", allow_module_level=True)


@pytest.fixture
def run(tmp_path: Path, environment: Path) -> Run:
    """Run `ml-service models …` on a folder of models of its own, with the libraries for the model `mine`."""
    environments = tmp_path / "environments"
    environments.mkdir()
    (environments / "mine").symlink_to(environment)
    env = {
        "PATH": os.environ["PATH"],
        "SETTINGS_FOLDER": "/nowhere",
        "MODELS_FOLDER": str(tmp_path / "models"),
        "MODEL_ENVIRONMENTS_FOLDER": str(environments),
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
    }

    def act(*arguments: str, expected: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ml_service.cli", "models", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == expected, done
        return done

    return act


@pytest.mark.parametrize("environment", _environments()[:1])
def test_a_transformer_answers_by_the_template(run: Run, environment: Path, tmp_path: Path) -> None:
    run("new", "mine", "--template", "huggingface")
    weights = tmp_path / "models" / "mine" / "weights"
    assert "The weights are missing" in run("check", "mine", expected=1).stderr

    def write(kind: str) -> None:
        command = [str(environment / "bin" / "python"), "-c", TINY, str(weights), kind]
        subprocess.run(command, check=True, capture_output=True)
        run("manifest", "mine")

    write("classifier")
    checked = run("check", "mine").stdout
    assert "give the same answers, and so does a second run" in checked
    assert "are as weights.json says" in checked
    answer = json.loads(run("run", "mine", "--input", "good !").stdout)
    assert answer["label"] in ("no", "yes")
    assert sum(answer["scores"].values()) == pytest.approx(1, abs=1e-3)
    write("encoder")
    refused = run("check", "mine", expected=1).stderr
    assert "holds no text classifier: classifier.bias, classifier.weight is missing" in refused

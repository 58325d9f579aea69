"""`ml-service models`, as a model's author uses it: a template becomes a model, is tried, measured and described."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

from engine.common.state import ROOT
from ml_service.cli.model_trials import batches_within, requests_of

pytestmark = pytest.mark.slow

Run = Callable[..., subprocess.CompletedProcess[str]]

# Only what the worker's and the tests' own packages can run; torch is too large for either.
TEMPLATES = [
    name for name, package in {"python": "pydantic", "sklearn": "sklearn", "onnx": "onnxruntime"}.items()
    if find_spec(package)
]  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run `ml-service models …` on a folder of models of its own, without any service."""
    env = {
        "PATH": os.environ["PATH"],
        "SETTINGS_FOLDER": "/nowhere",
        "COLUMNS": "200",
        "MODELS_FOLDER": str(tmp_path / "models"),
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
    }

    def act(*arguments: str, expected: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ml_service.cli", "models", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=env | more, capture_output=True, text=True, check=False)
        assert done.returncode == expected, done
        assert "Traceback" not in done.stdout
        return done

    return act


@pytest.mark.parametrize("template", TEMPLATES)
def test_each_template_works_as_it_stands(run: Run, template: str) -> None:
    run("new", "my-model", "--template", template)
    checked = run("check", "my-model").stdout
    assert "my-model 1.0.0: loaded in" in checked
    assert "example is right." in checked or "examples are right." in checked
    assert "give the same answers, and so does a second run" in checked
    assert "MiB" in checked
    assert "longest call" in checked


def test_the_hugging_face_template_says_that_weights_are_missing_and_how_they_come(run: Run, tmp_path: Path) -> None:
    run("new", "reviews", "--template", "huggingface")
    weights = tmp_path / "models" / "reviews" / "weights"
    for _ in range(2):  # without the folder, and with an empty one
        said = run("check", "reviews", expected=1).stderr
        assert "The weights are missing: put them into models/reviews/weights by the step with `hf download`" in said
        assert said.rstrip().endswith("python3 start.py --cli models manifest reviews")
        weights.mkdir(exist_ok=True)


def test_a_file_that_was_replaced_by_another_name_is_said_with_the_command_for_it(run: Run, tmp_path: Path) -> None:
    run("new", "flowers", "--template", "onnx")
    file = tmp_path / "models" / "flowers" / "model.onnx"
    file.rename(file.with_name("better.onnx"))
    said = run("check", "flowers", expected=1).stderr
    assert "models/flowers/model.onnx, which weights.json names, cannot be read: No such file or directory." in said
    assert "python3 start.py --cli models manifest flowers" in said


@pytest.mark.slow
def test_the_sklearn_template_loads_what_its_training_keeps(run: Run, tmp_path: Path) -> None:
    run("new", "trained", "--template", "sklearn")
    folder = tmp_path / "models" / "trained"
    subprocess.run([sys.executable, "train.py"], cwd=folder, check=True)
    assert (folder / "model.skops").exists()
    run("manifest", "trained")
    (folder / "texts.csv").unlink()
    answer = json.loads(run("run", "trained", "--input", "Where is my order?").stdout)
    assert answer["label"] == "question"


def test_a_manifest_names_weights_and_a_check_says_which_it_leaves_out(run: Run, tmp_path: Path) -> None:
    run("new", "mine")
    folder = tmp_path / "models" / "mine"
    assert "There are no weights in" in (said := run("manifest", "mine", expected=1).stderr)
    assert "Put the files there first" in said
    (folder / "weights").mkdir()
    (folder / "weights" / "model.safetensors").write_bytes(b"1234")
    (folder / "weights" / "config.json").write_text("{}")
    assert "Note: weights/config.json, weights/model.safetensors may be changed unseen" in run("check", "mine").stdout
    printed = run("manifest", "mine", "--print").stdout
    assert list(json.loads(printed)["files"]) == ["weights/config.json", "weights/model.safetensors"]
    assert not (folder / "weights.json").exists()
    assert "weights.json names 2 files" in run("manifest", "mine").stdout
    assert (folder / "weights.json").read_text() == printed
    checked = run("check", "mine").stdout
    assert "2 files of weights, 6 bytes, are as weights.json says." in checked
    assert "Note" not in checked
    (folder / "weights" / "model.safetensors").write_bytes(b"5678")
    assert "is not the file that weights.json names" in run("check", "mine", expected=1).stderr
    run("manifest", "mine", "weights")
    run("check", "mine")
    (folder / "weights" / "pytorch_model.pt").touch()
    refused = run("manifest", "mine", expected=1).stderr
    assert "Keep the weights as safetensors, ONNX or skops" in refused


class Upstream(BaseHTTPRequestHandler):
    """Answers like OpenAI's API; busy for the first request of each server."""

    is_busy: ClassVar[bool] = True
    retry_after: ClassVar[str] = "7"
    asked: ClassVar[list[tuple[dict[str, str], dict[str, Any]]]] = []
    odd: ClassVar[dict[str, str]] = {
        "html": "<html>Bad Gateway</html>",
        "cut": '{"choices": [{"mess',
        "list": "[]",
        "no choice": '{"choices": []}',
        "no text": '{"choices": [{"message": {"content": null}}]}',
    }

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((dict(self.headers), body))
        prompt = body["messages"][-1]["content"]
        if Upstream.is_busy:
            Upstream.is_busy = False
            self.send_response(429)
            self.send_header("Retry-After", self.retry_after)
            self.end_headers()
            return
        self.send_response(400 if prompt == "refuse" else 200)
        self.end_headers()
        reply = {"choices": [{"message": {"content": f"About {prompt}"}}], "usage": {"total_tokens": 12}}
        self.wfile.write(self.odd.get(prompt, json.dumps(reply)).encode())

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def upstream() -> Iterator[str]:
    Upstream.is_busy = True
    Upstream.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow
def test_the_openai_template_asks_any_server_like_it(run: Run, upstream: str) -> None:
    run("new", "helper", "--template", "openai")
    missing = run("check", "helper", expected=1)
    assert "Set OPENAI_API_KEY, or OPENAI_BASE_URL" in missing.stderr
    settings = {
        "OPENAI_BASE_URL": upstream,
        "OPENAI_API_KEY": "sk-test",
        "MODEL_ENVIRONMENT": "OPENAI_BASE_URL,OPENAI_API_KEY",
    }
    busy = run("run", "helper", "--input", '{"prompt": "tea"}', expected=1, **settings)
    assert "asks to be tried again in 7 s" in busy.stderr
    dated = Upstream
    dated.is_busy, dated.retry_after = True, "Fri, 01 Jan 2100 00:00:00 GMT"
    busy = run("run", "helper", "--input", "tea", expected=1, **settings)
    dated.retry_after = "7"
    assert "asks to be tried again in 86400 s" in busy.stderr
    Upstream.asked.pop()
    answered = run("run", "helper", "--input", '{"prompt": "tea", "temperature": 1}', **settings)
    assert json.loads(answered.stdout) == {"text": "About tea", "tokens": 12}
    refused = run("run", "helper", "--input", '{"prompt": "refuse"}', expected=1, **settings)
    assert "input_rejected: The language model refuses this prompt." in refused.stderr
    for prompt in Upstream.odd:
        failed = run("run", "helper", "--input", json.dumps({"prompt": prompt}), expected=1, **settings).stderr
        assert "The model failed on this input (LanguageModelFailed)." in failed, prompt
    assert "It asks others" in run("check", "helper", **settings).stdout
    headers, body = Upstream.asked[1]
    assert headers["Authorization"] == "Bearer sk-test"
    assert headers["Idempotency-Key"]
    assert (body["temperature"], body["user"]) == (1, "nobody")


def test_a_model_that_asks_others_is_measured_with_few_requests(run: Run, upstream: str) -> None:
    Upstream.is_busy = False
    run("new", "helper", "--template", "openai")
    settings = {"OPENAI_BASE_URL": upstream, "MODEL_ENVIRONMENT": "OPENAI_BASE_URL"}
    measured = run("bench", "helper", **settings)
    assert "helper asks others: 16 requests are sent to measure it." in measured.stderr
    assert "Batches beyond 8 are left out: bench --requests 32 measures all." in measured.stderr
    assert len(Upstream.asked) == 16
    assert "The best batch_size is" in measured.stdout
    Upstream.asked.clear()
    measured = run("bench", "helper", "--requests", "40", **settings)
    assert int(re.findall(r"helper asks others: (\d+) requests", measured.stderr)[0]) == len(Upstream.asked) <= 40
    assert "left out" not in measured.stderr
    Upstream.is_busy = True
    busy = run("bench", "helper", expected=1, **settings).stderr
    assert "has no answer to measure: asks to be tried again in 7 s" in busy


@pytest.mark.parametrize("requests", [2, 3, 16, 17, 32, 33, 1000])
@pytest.mark.parametrize("batch_size", [1, 7, 16])
def test_no_more_requests_are_sent_than_are_asked_for(requests: int, batch_size: int) -> None:
    batches = batches_within(requests, batch_size)
    assert batches
    assert requests_of(batches) <= requests


@pytest.mark.slow
def test_a_forest_in_a_skops_file_is_refused_with_what_to_write(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("skops")
    run("new", "forest", "--template", "sklearn")
    folder = tmp_path / "models" / "forest"
    train = (folder / "train.py").read_text().replace("LogisticRegression(C=10)", "RandomForestClassifier(3)")
    train = train.replace("linear_model import LogisticRegression", "ensemble import RandomForestClassifier")
    (folder / "train.py").write_text(train)
    subprocess.run([sys.executable, "train.py"], cwd=folder, check=True)
    run("manifest", "forest")
    said = run("check", "forest", expected=1).stderr.splitlines()[-1]
    fix = re.findall(r'trusted=\["sklearn.tree._tree.Tree"\]', said)
    assert fix, said
    model = (folder / "model.py").read_text().replace("trusted=[]", fix[0])
    (folder / "model.py").write_text(model)
    run("check", "forest")


@pytest.mark.slow
def test_a_model_answers_text_json_and_files(run: Run, tmp_path: Path) -> None:
    run("new", "mine")
    expected = {"words": 2, "is_question": True}
    (tmp_path / "text.txt").write_text("Who knows?\n")
    (tmp_path / "input.json").write_text('{"text": "Who knows?"}')
    for text in ("Who knows?", '{"text": "Who knows?"}', f"@{tmp_path}/text.txt", f"@{tmp_path}/input.json"):
        assert json.loads(run("run", "mine", "--input", text).stdout) == expected


@pytest.mark.slow
def test_an_input_that_has_no_answer_is_said(run: Run) -> None:
    run("new", "mine")
    assert "text: " in run("run", "mine", "--input", '{"text": ""}', expected=1).stderr
    assert "input_rejected: The text is empty." in run("run", "mine", "--input", "   ", expected=1).stderr
    misspelled = run("run", "mine", "--input", '{"text": "a", "texts": "b"}', expected=1).stderr
    assert "There is no field 'texts'; did you mean text?" in misspelled
    assert "Did you mean sentiment?" in run("run", "sentimnet", "--input", "x", expected=1).stderr
    assert "No such file" in run("run", "mine", "--input", "@/nowhere", expected=1).stderr
    assert "There is no model nobody" in run("run", "nobody", "--input", "x", expected=1).stderr


UNSTEADY = """
from ml_service.runtime.author import Model

class Unsteady(Model):
    name = "unsteady"
    version = "1"
    description = "A test."
    input_schema = output_schema = {"type": "object"}
    examples = [{"text": "a"}]
    calls = 0

    def predict(self, inputs):
        self.calls += 1
        return [{"said": WHAT} for one in inputs]
"""


@pytest.mark.parametrize(
    ("what", "problem"),
    [
        ("self.calls", "A second run answers example 1 in another way."),
        ("len(inputs)", "In a batch of 2 the answer at place 1 is another one than alone."),
        ("1 / 0", "1 of 1 examples are wrong."),
    ],
)
def test_a_check_finds_answers_that_depend_on_company_or_on_time(
    run: Run, tmp_path: Path, what: str, problem: str
) -> None:
    folder = tmp_path / "models" / "unsteady"
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(UNSTEADY.replace("WHAT", what))
    assert problem in run("check", "unsteady", expected=1).stderr


@pytest.mark.slow
def test_a_model_is_measured_and_described(run: Run) -> None:
    run("new", "mine")
    measured = run("bench", "mine").stdout
    assert "The best batch_size is" in measured
    assert [line.split("│")[1].strip() for line in measured.splitlines() if line.startswith("│")] == [
        *("1", "2", "4", "8", "16", "32")
    ]
    card = run("card", "mine").stdout
    assert card.startswith("# mine 1.0.0\n")
    assert "| `text` | string | yes |" in card
    assert '{"words":5,"is_question":true}' in card
    assert run("card", "sentiment").stdout.startswith("#"), "a card that was written is shown as it is"


BEGINNING = """\
from pydantic import BaseModel
from ml_service.runtime.author import Model

class Said(BaseModel):
    text: str

class Mine(Model):
    name, version, description = "mine", "1", "A test."
"""
MISTAKES = {
    "SyntaxError: '(' was never closed (line 1)": "predict = (",
    "needs the Python package 'no_such', not installed here. Name its package in requirements.txt": "import no_such",
    "Loading it raised RuntimeError: Set KEY (line 9)": "def load(self): raise RuntimeError('Set KEY')",
    "No module named 'no_such' (line 9). Name its package in requirements.txt": "def load(self): import no_such",
    "come from the types of predict's parameters": "def predict(self, text): return {}",
    "The model returned 0 outputs for 1 inputs.": "def predict(self, inputs: list[Said]) -> list[Said]: return []",
    "KeyError: 'x' (model.py, line 9)": "def predict(self, text: str) -> Said: return {}['x']",
}


@pytest.mark.parametrize(("sentence", "line"), MISTAKES.items())
def test_a_mistake_in_a_model_is_one_sentence_and_no_stack_trace(
    run: Run, tmp_path: Path, sentence: str, line: str
) -> None:
    folder = tmp_path / "models" / "mine"
    folder.mkdir(parents=True)
    whole = line if line.startswith(("import", "predict =")) else f"{BEGINNING}    {line}\n"
    predict = "" if "def predict" in line else "    def predict(self, text: str) -> Said: return Said(text=text)\n"
    (folder / "model.py").write_text(whole + (predict if whole != line else ""))
    said = run("check", "mine", expected=1).stderr
    assert sentence in said
    assert "model load failed" not in said, "it is said once"
    assert "Traceback" not in said


def test_only_answers_are_measured(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "unsteady"
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(UNSTEADY.replace("WHAT", "float('nan')"))
    assert "Example 1 has no answer to measure: output_invalid" in run("bench", "unsteady", expected=1).stderr


def test_a_model_on_trial_sees_what_the_workers_file_says_to_models(run: Run, tmp_path: Path, upstream: str) -> None:
    Upstream.is_busy = False
    (tmp_path / "services" / "ml_worker").mkdir(parents=True)
    (tmp_path / "services" / "ml_worker" / ".env").write_text(f"OPENAI_BASE_URL={upstream}\nOPENAI_API_KEY=sk-file\n")
    run("new", "helper", "--template", "openai")
    answered = run("run", "helper", "--input", "tea", SETTINGS_FOLDER=str(tmp_path))
    assert json.loads(answered.stdout)["text"] == "About tea"
    assert Upstream.asked[0][0]["Authorization"] == "Bearer sk-file"


def test_a_new_model_needs_a_name_that_is_free(run: Run) -> None:
    run("new", "mine")
    assert "There is a model mine already" in run("new", "mine", expected=1).stderr
    assert "There is a model sentiment already" in run("new", "sentiment", expected=1).stderr
    assert "is no model's name" in run("new", "My_Model", expected=1).stderr


def test_a_template_that_there_is_not_is_said_beside_those_that_there_are(run: Run) -> None:
    said = " ".join(run("new", "mine", "--template", "pyhton", expected=2).stderr.replace("│", " ").split())
    assert "'--template': 'pyhton' is not one of python, sklearn, onnx, huggingface, openai." in said


def test_what_is_wrong_with_a_model_is_said_without_the_code_of_a_request(run: Run) -> None:
    run("new", "mine")
    for arguments in (("new", "mine"), ("check", "nobody"), ("run", "mine", "--input", " "), ("manifest", "mine")):
        said = run(*arguments, expected=1).stderr
        assert not re.match(r"(invalid_input|not_found): ", said), said
    assert " echo" not in run("check", "nobody", expected=1).stderr, "`models list` does not show it either"


def test_models_are_listed_without_a_database(run: Run, tmp_path: Path) -> None:
    run("new", "mine")
    (tmp_path / "models" / "broken").mkdir()
    listed = run("list")
    assert {"mine", "sentiment"} <= {
        line.split("│")[1].strip() for line in listed.stdout.splitlines() if line.startswith("│")
    }
    assert "broken: models/broken has no model.py." in listed.stderr

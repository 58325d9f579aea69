"""A host keeps one loaded process, says clearly why there is none, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import structlog

from ml_service.runtime.author.weights import manifest_of
from ml_service.runtime.child.batch_server import IDLE_S
from ml_service.runtime.host.model_folders import ModelSource, discover
from ml_service.runtime.host.model_host import ModelHost, ModelLimits, ModelUnavailable
from ml_service.runtime.locations import MANIFEST_FILE
from ml_service.runtime.model_answers import Success
from tests.support.hosts import QUICK, mine, running, troublesome
from tests.support.waiting import PATIENCE_S, until

# The last of its blocks stays, so that the heap's end is not free.
FORGETFUL = """
    kept = []

    def predict(self, inputs):
        blocks = [bytearray(2**16) for _ in range(768)]
        self.kept.append(blocks[-1])
        return inputs
"""
WORKER = """
import asyncio, sys
from dataclasses import replace
from pathlib import Path
from ml_service.runtime.host.model_host import ModelHost
from ml_service.runtime.host.model_folders import ModelSource

async def main():
    host = ModelHost(ModelSource("troublesome", Path(sys.argv[1])))
    await host.start()
    batch = asyncio.create_task(host.predict(['{"text": "!hang"}']))
    await asyncio.sleep(0)
    print(host.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


DECLARED_BY_FILE = """
import json, pathlib
LABELS = json.loads(pathlib.Path(__file__).with_name("labels.json").read_text())
Mine.output_schema = {"type": "object", "enum": LABELS}
Mine.batch_size = len(LABELS)
"""


async def answer_to(host: ModelHost, text: str) -> str:
    (answer,) = await host.predict([json.dumps({"text": text})])
    assert isinstance(answer, Success), answer
    return str(json.loads(answer.output_json)["text"])


async def test_a_loaded_model_announces_what_its_class_declares(host: ModelHost) -> None:
    assert (host.ready, host.state, host.error) == (True, "ready", "")
    assert (host.spec.name, host.spec.batch_size, host.spec.timeout_s) == ("troublesome", 64, 5.0)
    assert host.load_s > 0


async def test_a_process_that_dies_idle_is_started_again_by_itself(host: ModelHost) -> None:
    first = host.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: host.ready and host.pid != first)
    assert await answer_to(host, "again") == "again"
    assert host.deaths == 1


async def test_a_batch_waits_for_a_process_that_is_being_started_again(host: ModelHost) -> None:
    assert host.pid is not None
    os.kill(host.pid, signal.SIGKILL)
    assert await answer_to(host, "again") == "again"


async def test_signals_that_are_meant_for_the_worker_do_not_end_the_model(host: ModelHost) -> None:
    assert host.pid is not None
    os.kill(host.pid, signal.SIGTERM)
    os.kill(host.pid, signal.SIGINT)
    assert await answer_to(host, "!pid") == str(host.pid)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (mine("raise OSError('no weights here')"), "Loading it raised OSError: no weights here"),
        (mine("import no_such_package"), "Loading it raised ModuleNotFoundError"),
        ("import no_such_package\n", "needs the Python package 'no_such_package'"),
        ("class Mine(:\n", "(line 1)"),
        ("", "must define exactly one subclass of Model; it defines none"),
        (mine(rest="\nclass Other(Mine): pass\n"), "it defines Mine, Other"),
        (mine().replace('name = "mine"', 'name = "yours"'), "calls its model 'yours'"),
        (mine().replace('version = "1"', ""), "version is missing"),
        (mine("__import__('os')._exit(7)"), "exited with status 7 while it loaded"),
        (mine("__import__('ctypes').string_at(0)"), "was killed by SIGSEGV while it loaded"),
        (mine("__import__('time').sleep(60)"), "was not loaded in 0.8 s"),
        (mine("self.eaten = bytearray(300 * 2**20)"), "needs more memory to load than it may take"),
        (mine("raise SystemExit('good bye')"), "Loading it raised SystemExit: good bye"),
    ],
)
async def test_a_model_that_cannot_be_loaded_says_why_in_one_sentence(
    make_model: Callable[..., ModelSource], source: str, error: str
) -> None:
    limits = ModelLimits(
        load_timeout_s=120 if "sleep" not in source else 0.8, memory_bytes_max=200 * 2**20, backoff_s_min=30
    )
    async with running(make_model(source), limits) as host:
        assert host.state == "failed"
        assert error in host.error
        assert "\n" not in host.error
        with pytest.raises(ModelUnavailable):
            await host.predict(["{}"])


async def test_a_model_that_could_not_be_loaded_is_tried_again(
    make_model: Callable[..., ModelSource],
) -> None:
    async with running(make_model(mine("raise OSError"))) as host:
        assert host.state == "failed"
        make_model(mine())
        async with asyncio.timeout(PATIENCE_S):
            await host.wait_ready()
        assert (host.state, host.error) == ("ready", "")
        assert len(await host.predict(["{}"])) == 1


@pytest.mark.parametrize(
    ("where", "error"),
    [
        ((subprocess, "Popen"), BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")),
        ((asyncio, "to_thread"), RuntimeError("can't start new thread")),
        ((Path, "read_bytes"), OSError(errno.EIO, "Input/output error")),
    ],
    ids=["no process", "no thread", "no file"],
)
async def test_a_machine_that_cannot_start_a_model_for_a_moment_does_not_end_it(
    make_model: Callable[..., ModelSource],
    monkeypatch: pytest.MonkeyPatch,
    where: tuple[object, str],
    error: Exception,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    host = ModelHost(make_model(mine()), QUICK)
    with structlog.testing.capture_logs() as logs:
        with monkeypatch.context() as patched:
            patched.setattr(*where, refuse)
            async with asyncio.timeout(10):
                await host.start()
        assert host.state == "failed"
        assert f"({type(error).__name__}: {error})" in host.error
    assert any(entry["event"] == "model_start_failed" and entry["exc_info"] for entry in logs)
    async with asyncio.timeout(20):
        await host.wait_ready()
    assert (host.state, host.error) == ("ready", "")
    await host.close()


async def test_changed_code_is_not_started_behind_the_old_schema(make_model: Callable[..., ModelSource]) -> None:
    async with running(make_model(mine())) as host:
        assert host.pid is not None
        make_model(mine(rest="# edited\n"))
        assert len(await host.predict(["{}"])) == 1, "what is loaded goes on"
        os.kill(host.pid, signal.SIGKILL)
        await until(lambda: host.state == "failed")
        assert "were changed after the model was loaded: restart the workers" in host.error
        with pytest.raises(ModelUnavailable, match="restart the workers"):
            await host.predict(["{}"])
        make_model(mine())
        await host.wait_ready()
        assert len(await host.predict(["{}"])) == 1


@pytest.mark.parametrize("lazily", [False, True])
async def test_declarations_read_from_a_changed_file_are_not_served_under_the_announced_version(
    make_model: Callable[..., ModelSource], *, lazily: bool
) -> None:
    source = make_model(mine(rest=DECLARED_BY_FILE))
    labels = source.path.with_name("labels.json")
    labels.write_text('["a", "b"]')
    host = ModelHost(source, replace(QUICK, idle_s=600))
    await host.start(lazily=lazily)
    try:
        announced = host.spec
        assert announced.output_schema["enum"] == ["a", "b"]
        labels.write_text('["a", "b", "c"]')
        if host.pid is not None:
            os.kill(host.pid, signal.SIGKILL)
            await until(lambda: host.state == "failed")
        with pytest.raises(ModelUnavailable, match=r"announced \(batch_size, output_schema\), .* models restart mine"):
            await host.predict(["{}"])
        assert host.spec is announced
        labels.write_text('["a", "b"]')
        await host.wait_ready()
    finally:
        await host.close()


async def test_another_description_keeps_no_model_from_starting_again(make_model: Callable[..., ModelSource]) -> None:
    """What says nothing of its answers stays as it was announced."""
    dated = mine().replace('description = "', "description = f\"{__import__('time').time_ns()} ")
    async with running(make_model(dated)) as host:
        announced = host.spec
        assert host.pid is not None
        os.kill(host.pid, signal.SIGKILL)
        await until(lambda: host.ready)
        assert len(await host.predict(["{}"])) == 1
        assert host.spec is announced


async def test_a_model_may_ask_for_more_time_to_load_than_the_worker_grants(
    make_model: Callable[..., ModelSource],
) -> None:
    slow = mine("__import__('time').sleep(1.5)").replace('version = "1"', 'version = "1"\n    load_timeout_s = 60')
    async with running(make_model(slow), ModelLimits(load_timeout_s=1, backoff_s_min=30)) as host:
        assert host.error == ""


async def test_a_model_may_return_more_than_the_worker_grants(make_model: Callable[..., ModelSource]) -> None:
    large = mine().replace('version = "1"', 'version = "1"\n    output_bytes_max = 100')
    async with running(make_model(large), ModelLimits(output_bytes_max=10)) as host:
        (fits, too_large) = await host.predict([json.dumps({"text": "x" * size}) for size in (80, 100)])
        assert isinstance(fits, Success)
        assert not isinstance(too_large, Success)
        assert "111 bytes of JSON; the limit is 100" in too_large.message


async def test_a_users_model_imports_what_lies_beside_it(make_model: Callable[..., ModelSource]) -> None:
    source = make_model("import beside\n" + mine("assert beside.HERE"))
    (source.path.parent / "beside.py").write_text("HERE = True\n")
    async with running(source) as host:
        assert host.error == ""


async def test_the_output_of_print_goes_to_the_log_and_into_no_frame(host: ModelHost) -> None:
    with structlog.testing.capture_logs() as logs:
        assert await answer_to(host, "!print") == "!print"
        await until(lambda: len(logs) >= 3)
    lines = {entry["line"] for entry in logs}
    assert "printed by the model" in lines
    assert "echo said by a program of the model".removeprefix("echo ") in lines
    assert any("written to descriptor 1" in line for line in lines)


async def test_a_model_that_prints_without_end_does_not_flood_the_log() -> None:
    first_second = int(time.monotonic())
    with structlog.testing.capture_logs() as logs:
        async with running(troublesome()) as host:
            assert await answer_to(host, "!flood") == "!flood"
    seconds = int(time.monotonic()) - first_second + 1
    logged = sum(entry.get("line") == "much" for entry in logs)
    assert 0 < logged <= 200 * seconds
    assert logged + sum(entry.get("lines_dropped", 0) for entry in logs) == 50_000


async def test_where_a_model_hung_is_in_the_log(hasty: ModelHost) -> None:
    with structlog.testing.capture_logs() as logs:
        await hasty.predict(['{"text": "!hang"}'])
    assert any("in predict" in entry.get("line", "") for entry in logs)


async def test_a_model_sees_one_thread_and_none_of_the_services_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("JWT_SECRET", "DATABASE_URL", "AMQP_URL", "NOTIFY_SOCKET"):
        monkeypatch.setenv(name, "private")
    async with running(troublesome()) as host:
        names = (await answer_to(host, "!environment")).split()
        assert await answer_to(host, "!threads") == "1"
    assert not {"JWT_SECRET", "DATABASE_URL", "AMQP_URL", "NOTIFY_SOCKET"} & set(names)


async def test_a_killed_worker_leaves_no_process_behind() -> None:
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORKER, str(troublesome().path), stdout=asyncio.subprocess.PIPE
    )
    assert worker.stdout is not None
    child = 0
    while not child:
        line = await worker.stdout.readline()
        child = int(line) if line.strip().isdigit() else 0
    assert psutil.pid_exists(child)
    worker.kill()
    await worker.wait()
    await until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie")


async def test_programs_that_a_model_started_end_with_it() -> None:
    async with running(troublesome()) as host:
        await host.predict(['{"text": "!fork"}'])
        assert host.pid is not None
        (program,) = psutil.Process(host.pid).children()
    await until(lambda: not program.is_running() or program.status() == "zombie")


async def test_a_closed_host_leaves_no_process_and_refuses_batches() -> None:
    async with running(troublesome()) as host:
        pid = host.pid
    assert pid is not None
    assert not psutil.pid_exists(pid)
    assert host.state == "stopped"
    with pytest.raises(ModelUnavailable):
        await host.predict(["{}"])


async def test_no_batch_is_asked_for_nothing(host: ModelHost) -> None:
    assert await host.predict([]) == []


async def test_the_benchmark_model_echoes_and_its_process_is_small(tmp_path: Path) -> None:
    async with running(discover(["echo"], tmp_path).models["echo"], QUICK) as host:
        text = '{"text":"déjà vu — «да» \U0001f600"}'
        answers = await host.predict([text, text.encode()])
        assert [each.output_json for each in answers if isinstance(each, Success)] == [text, text]
        assert psutil.Process(host.pid).memory_full_info().uss < 25 * 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="Only glibc keeps what is freed.")
async def test_a_model_that_is_idle_gives_back_what_its_answers_have_freed(
    make_model: Callable[..., ModelSource],
) -> None:
    async with running(make_model(mine(rest=FORGETFUL))) as host:
        process = psutil.Process(host.pid)
        before = process.memory_info().rss
        await host.predict(["{}"])
        assert process.memory_info().rss - before > 40 * 2**20
        await until(lambda: process.memory_info().rss - before < 8 * 2**20, timeout_s=4 * IDLE_S)
        assert len(await host.predict(["{}", "{}"])) == 2


async def test_weights_that_are_not_as_the_manifest_says_keep_a_model_from_being_loaded(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"right")
    (tmp_path / MANIFEST_FILE).write_text(manifest_of(tmp_path, ["model.onnx"]))
    (tmp_path / "model.py").write_text(mine("self.read = self.weights('model.onnx').read_bytes()"))
    source = ModelSource("mine", tmp_path / "model.py")
    async with running(source) as host:
        assert host.ready, host.error
    (tmp_path / "model.onnx").write_bytes(b"wrong")
    # Before the model's own code runs, whether it asks for the file or not.
    (tmp_path / "model.py").write_text(mine(f"open({str(tmp_path / 'ran')!r}, 'w')"))
    async with running(source) as host:
        assert not host.ready
        assert host.error.startswith(
            f"{tmp_path.parent.name}/{tmp_path.name}/model.onnx is not the file that weights.json names (SHA-256 "
        )
    assert not (tmp_path / "ran").exists()


async def test_weights_that_no_manifest_names_are_not_given_to_a_model(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"whatever")
    (tmp_path / "model.py").write_text(mine("self.weights('model.onnx')"))
    async with running(ModelSource("mine", tmp_path / "model.py")) as host:
        assert "weights.json does not name model.onnx: python3 start.py --cli models manifest " in host.error

"""A model's process and whatever it starts end when they should, and harm nobody else meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from ml_service.runtime import frames
from ml_service.runtime.host.child_process import ChildProcess, exit_noticed
from ml_service.runtime.host.model_folders import ModelSource
from ml_service.runtime.host.model_host import ModelHost
from ml_service.runtime.model_answers import Failure, Success
from tests.support.hosts import QUICK, of_models, running
from tests.support.waiting import PATIENCE_S, until

LINUX_ONLY = pytest.mark.skipif(sys.platform != "linux", reason="prctl, seccomp and /proc are Linux's")

MODEL = """
import ctypes, multiprocessing, os, signal, subprocess, sys, time
from ml_service.runtime.author import Model

def nap():
    time.sleep(300)

DAEMON = "import os, time; os.setsid(); print(os.getpid(), flush=True); time.sleep(300)"

class Mine(Model):
    name = "mine"
    version = "1"
    description = "A test."
    input_schema = {"type": "object"}
    output_schema = {"type": "object"}
    timeout_s = 10.0

    def predict(self, inputs):
        return [{"said": self.do(each["do"])} for each in inputs]

    def do(self, what):
        BODY
"""
WORKER = """
import asyncio, os, sys
from pathlib import Path
from ml_service.runtime.host.model_folders import ModelSource
from ml_service.runtime.host.model_host import ModelHost
from ml_service.runtime.host.orphans import adopt_orphans

async def main():
    adopt_orphans()
    host = ModelHost(ModelSource("mine", Path(sys.argv[1])))
    await host.start()
    for what in sys.argv[2:]:
        [answer] = await host.predict(['{"do": "%s"}' % what])
        print(answer[0] if what != "die" else "died", flush=True)
    await host.close()
    print("closed", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def model(body: str) -> str:
    lines = body.strip().splitlines()
    return MODEL.replace("BODY", "\n        ".join(lines))


async def said_by(host: ModelHost, what: str = "") -> Any:
    (answer,) = await host.predict([json.dumps({"do": what})])
    assert isinstance(answer, Success), answer
    return json.loads(answer.output_json)["said"]


@pytest.mark.parametrize(
    "body",
    [
        'program = subprocess.Popen(["sleep", "300"])\nprogram.terminate()\nreturn program.wait()',
        'program = subprocess.Popen(["sleep", "300"])\nprogram.send_signal(signal.SIGINT)\nreturn program.wait()',
        'program = subprocess.Popen("sleep 300", shell=True)\nprogram.terminate()\nreturn program.wait()',
        (
            "one = multiprocessing.get_context('fork').Process(target=nap)\none.start()\none.terminate()\none.join()\n"
            "return one.exitcode"
        ),
        "pid = os.fork()\nif pid == 0:\n    nap()\nos.kill(pid, signal.SIGTERM)\nreturn -os.waitpid(pid, 0)[1]",
    ],
)
async def test_a_program_that_a_model_started_can_be_terminated(
    make_model: Callable[..., ModelSource], body: str
) -> None:
    async with running(make_model(model(body))) as host:
        assert await said_by(host) in (-signal.SIGTERM, -signal.SIGINT)


async def test_programs_start_with_default_signals_and_without_the_socket(
    make_model: Callable[..., ModelSource],
) -> None:
    show = (
        "import os, signal\n"
        "ignored = [each.name for each in signal.valid_signals() if signal.getsignal(each) is signal.SIG_IGN\n"
        "    and each not in (signal.SIGPIPE, signal.SIGXFSZ)]\n"
        "fds = [fd for fd in range(3, 64) if os.path.exists('/dev/fd/%d' % fd) and os.path.realpath('/dev/fd/%d' % fd)"
        ".startswith(('/proc', 'socket')) and 'socket' in os.readlink('/dev/fd/%d' % fd)]\n"
        "print([ignored, [str(each) for each in signal.pthread_sigmask(signal.SIG_BLOCK, ())], fds])"
    )
    body = f"return subprocess.run([sys.executable, '-c', {show!r}], capture_output=True, text=True).stdout"
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    try:
        async with running(make_model(model(body))) as host:
            assert (await said_by(host)).strip() == "[[], [], []]"
    finally:
        signal.signal(signal.SIGHUP, previous)


@LINUX_ONLY
async def test_a_process_that_dies_is_noticed_although_a_copy_holds_its_socket_open(
    make_model: Callable[..., ModelSource],
) -> None:
    """A fork that Python does not know of (by a C library) keeps all descriptors."""
    body = "if ctypes.CDLL(None).fork() == 0:\n    os.setsid()\n    nap()\nos._exit(5)"
    others = set(psutil.Process().children(recursive=True))  # of other tests of this pytest worker
    source = make_model(model(body))
    async with running(source) as host:
        async with asyncio.timeout(8):
            (answer,) = await host.predict(['{"do": ""}'])
        assert isinstance(answer, Failure)
        assert answer.code == "model_crashed"
        assert "exited with status 5" in answer.message
    for process in set(psutil.Process().children(recursive=True)) - others:
        with contextlib.suppress(psutil.Error):
            assert "ml_service.runtime.child" not in process.cmdline()
    for copy in of_models(source.path.parent):  # in sessions of their own; a worker would have adopted and ended them
        copy.kill()


async def test_a_fork_that_returns_from_predict_answers_nothing(make_model: Callable[..., ModelSource]) -> None:
    body = "if what == 'fork':\n    os.fork()\nreturn os.getpid()"
    async with running(make_model(model(body))) as host:
        assert await said_by(host, "fork") == host.pid
        assert await said_by(host) == host.pid
        assert host.deaths == 0


@LINUX_ONLY
@pytest.mark.parametrize(
    "target", ["os.getppid()", "-os.getpgid(os.getppid())", "-1"], ids=["parent", "group", "everybody"]
)
async def test_a_model_cannot_signal_the_worker(make_model: Callable[..., ModelSource], target: str) -> None:
    body = f"os.kill({target}, 0)"
    async with running(make_model(model(body))) as host:
        (answer,) = await host.predict(['{"do": ""}'])
        assert isinstance(answer, Failure)
        assert answer.message == "The model failed on this input (PermissionError)."


def scopes_are_known() -> bool:
    script = "from ml_service.runtime.child.confinement import keep_to_own_processes as keep\nkeep()"
    return subprocess.run([sys.executable, "-c", script], stderr=subprocess.DEVNULL, check=False).returncode == 0


@LINUX_ONLY
@pytest.mark.parametrize(
    "deed",
    [
        "os.kill(PID, 0)",
        "signal.pidfd_send_signal(os.pidfd_open(PID), 0)",
        "subprocess.run(['kill', '-0', 'PID'], check=True)",
        "open('/proc/PID/mem', 'rb').read(1)",
        "open('/proc/%d/mem' % os.getppid(), 'rb').read(1)",
    ],
)
async def test_a_model_reaches_no_process_but_its_own(make_model: Callable[..., ModelSource], deed: str) -> None:
    """Where the kernel knows scopes of Landlock; a model answers on others, too."""
    is_kept = await asyncio.to_thread(scopes_are_known)
    stranger = subprocess.Popen(["sleep", "300"])  # noqa: ASYNC220 - as the API or PostgreSQL beside a worker
    body = f"{deed.replace('PID', str(stranger.pid)) if is_kept else ''}\nreturn 'done'"
    try:
        async with running(make_model(model(body))) as host:
            (answer,) = await host.predict(['{"do": ""}'])
            if not is_kept:
                assert isinstance(answer, Success), answer
                return
            assert isinstance(answer, Failure), answer
            assert "(PermissionError)" in answer.message or "(CalledProcessError)" in answer.message
    finally:
        stranger.kill()
        stranger.wait()


@LINUX_ONLY
@pytest.mark.parametrize("deeds", [["daemon"], ["daemon", "die"]], ids=["at the end", "when the model dies"])
async def test_a_helper_in_its_own_session_ends_with_its_model(
    make_model: Callable[..., ModelSource], deeds: list[str]
) -> None:
    body = (
        "if what == 'die':\n    os._exit(3)\n"
        # Started by a program that ends at once: nothing of the model is its parent any more.
        'script = \'import subprocess, sys; print(subprocess.Popen([sys.executable, "-c", %r], stdout=subprocess.PIPE)'
        ".stdout.readline().decode())' % DAEMON\n"
        "return int(subprocess.run([sys.executable, '-c', script], stdout=subprocess.PIPE).stdout)"
    )
    source = make_model(model(body))
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORKER, str(source.path), *deeds, stdout=asyncio.subprocess.PIPE
    )
    assert worker.stdout is not None
    try:
        helper = 0
        async with asyncio.timeout(30):
            while (line := await worker.stdout.readline()).strip() != b"closed":
                assert line, "the worker has ended"
                if line.startswith(b'{"said"'):
                    helper = json.loads(line)["said"]
        assert helper
        assert not psutil.pid_exists(helper)
    finally:
        worker.kill()
        await worker.wait()


def forbid_pidfd(monkeypatch: pytest.MonkeyPatch, *, waitid: bool) -> None:
    def refused(_pid: int) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "pidfd_open", refused, raising=False)
    if not waitid:  # macOS before Python 3.13
        monkeypatch.delattr(os, "waitid", raising=False)


@pytest.mark.parametrize("waitid", [True, False])
async def test_the_end_of_a_process_is_noticed_without_pidfd(monkeypatch: pytest.MonkeyPatch, waitid: bool) -> None:
    forbid_pidfd(monkeypatch, waitid=waitid)
    popen = subprocess.Popen(  # noqa: ASYNC220 - as the host does
        [sys.executable, "-c", "raise SystemExit(4)"], start_new_session=True
    )
    ended = asyncio.Event()
    with exit_noticed(popen, ended):
        async with asyncio.timeout(20):
            await ended.wait()
    assert popen.wait() == 4


@LINUX_ONLY
@pytest.mark.parametrize("waitid", [True, False])
async def test_a_copy_of_a_model_ends_with_it_without_pidfd(
    make_model: Callable[..., ModelSource], monkeypatch: pytest.MonkeyPatch, waitid: bool
) -> None:
    """The copy holds the socket open, so that only the end of the process itself is noticed."""
    forbid_pidfd(monkeypatch, waitid=waitid)
    source = make_model(model("if ctypes.CDLL(None).fork() == 0:\n    nap()\nos._exit(5)"))
    async with running(source) as host:
        (answer,) = await host.predict(['{"do": ""}'])
        assert isinstance(answer, Failure)
        assert "exited with status 5" in answer.message
        await until(lambda: {one.pid for one in of_models(source.path.parent)} <= set(host.pids), timeout_s=10)


@pytest.mark.parametrize("step", ["create_connection", "connect_read_pipe"])
async def test_a_process_whose_start_is_broken_off_leaves_no_open_descriptors(
    step: str, make_model: Callable[..., ModelSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken_off(*_: object, **__: object) -> None:
        raise asyncio.CancelledError

    source = make_model(model("nap()"))
    me = psutil.Process()
    with monkeypatch.context() as patch:
        patch.setattr(asyncio.get_running_loop(), step, broken_off)
        before = me.num_fds()
        for _ in range(3):
            with pytest.raises(asyncio.CancelledError):
                await ChildProcess.start(source, QUICK)
    await until(lambda: me.num_fds() <= before, timeout_s=10)
    assert of_models(source.path.parent) == []


@pytest.mark.parametrize("where", ["import no_such", "def load(self): import no_such"])
async def test_a_missing_package_that_is_named_is_said_to_be_installed_where_it_runs(
    make_model: Callable[..., ModelSource], where: str
) -> None:
    head, load = (where, "") if where.startswith("import") else ("", where)
    source = make_model(
        f"{head}\nfrom ml_service.runtime.author import Model\n\nclass Mine(Model):\n    name = 'mine'\n"
        "    version = '1'\n    description = 'A test.'\n    input_schema = output_schema = {'type': 'object'}\n"
        f"    {load}\n    def predict(self, inputs): return inputs\n"
    )
    async with running(source) as host:
        assert "no_such" in host.error
        assert host.error.endswith("Name its package in requirements.txt beside model.py.")
    source.path.with_name("requirements.txt").write_text("no_such\n")
    async with running(source) as host:
        assert "python3 start.py --restart installs what requirements.txt names" in host.error
        assert "in containers an image of your own has it" in host.error


async def test_a_model_loads_only_after_its_declarations_are_taken(
    make_model: Callable[..., ModelSource], tmp_path: Path
) -> None:
    mark = tmp_path / "loaded"
    child = await ChildProcess.start(
        make_model(model("nap()") + f"    def load(self):\n        open({str(mark)!r}, 'w').close()\n"), QUICK
    )
    kind, _ = await child.frames.receive()
    assert kind == frames.DECLARED
    with pytest.raises(TimeoutError):  # it is not on its way to load
        async with asyncio.timeout(1):
            await child.frames.receive()
    await child.close(grace_s=PATIENCE_S)
    assert await child.gone == "exited with status 0"
    assert not mark.exists()

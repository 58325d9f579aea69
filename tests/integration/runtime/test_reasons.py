"""What a model's host says of a model that cannot be loaded, or that fails on an input: enough for its author."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import structlog

from ml_service.runtime.host import failure_log
from ml_service.runtime.host.model_folders import ModelSource
from ml_service.runtime.host.model_host import ModelLimits
from ml_service.runtime.model_answers import Failure
from tests.support.hosts import mine, running


async def test_the_password_in_an_address_is_not_part_of_the_reason(make_model: Callable[..., ModelSource]) -> None:
    failing = mine("raise OSError('no answer from postgresql://me:secret@db/weights')")
    async with running(make_model(failing), ModelLimits(backoff_s_min=30)) as host:
        assert "no answer from postgresql://…@db/weights (line " in host.error
        assert "secret" not in host.error


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_package\n", "models/mine/model.py needs the Python package"),
        (mine("open(__file__.replace('model.py', 'weights.bin'))"), "directory: 'models/mine/weights.bin'"),
        (mine("raise OSError('nothing in /usr/share/weights.bin')"), "nothing in …/weights.bin"),
        (mine("open('/usr/lib/secret place/weights.bin')"), "No such file or directory: '…/weights.bin'"),
        (mine("from json import no_such"), "cannot import name 'no_such' from 'json' (…/__init__.py)"),
        (
            mine("raise OSError('POST /v1/chat/completions of https://api.test/v1/chat')"),
            "/v1/chat/completions of http",
        ),
    ],
)
async def test_the_place_of_the_service_on_its_machine_is_not_part_of_the_reason(
    make_model: Callable[..., ModelSource], source: str, reason: str
) -> None:
    made = make_model(source)
    async with running(made, ModelLimits(load_timeout_s=120, backoff_s_min=30)) as host:
        assert reason in host.error
        assert str(made.path.parents[2]) not in host.error
        assert "/usr/" not in host.error


@pytest.mark.parametrize(
    ("predict", "code", "error", "at"),
    [
        ("return {}['x']", "model_error", "KeyError: 'x'", "model.py, line 15"),
        ("int('x')", "model_error", "ValueError: invalid literal for int() with base 10: 'x'", "model.py, line 15"),
        ("__import__('beside').fail()", "model_error", "OSError: beside", "beside.py, line 2"),
        ("return [1]", "output_invalid", "The model returned ", None),
        ("__import__('os')._exit(7)", "model_crashed", "The model's process exited with status 7 on this input.", None),
    ],
)
async def test_an_input_that_the_model_fails_on_leaves_one_line_at_level_error(
    make_model: Callable[..., ModelSource], predict: str, code: str, error: str, at: str | None
) -> None:
    source = make_model(mine(predict=predict))
    (source.path.parent / "beside.py").write_text("def fail():\n    raise OSError('beside')\n")
    async with running(source) as host:
        with structlog.testing.capture_logs() as logs:
            await host.predict(["{}"])
    [line] = [one for one in logs if one["log_level"] == "error"]
    assert (line["event"], line["model"], line["code"]) == ("model_failed_on_input", "mine", code)
    assert line["error"].startswith(error)
    assert line.get("at") == at


def test_a_model_that_fails_on_everything_does_not_flood_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(failure_log.time, "monotonic", lambda: now[0])
    log = failure_log.FailureLog("mine")
    with structlog.testing.capture_logs() as logs:
        for each in range(failure_log.LINES_PER_SECOND_MAX + 7):
            log.note([Failure("model_error", "It failed.", 1.0, cause=f"OSError: {each}")] * 3)
        now[0] += 1
        log.note([Failure("model_error", "It failed.", 1.0, cause="OSError")])
    assert [one.get("inputs") for one in logs] == [3] * failure_log.LINES_PER_SECOND_MAX + [None, 1]
    assert logs[-2]["lines_dropped"] == 7

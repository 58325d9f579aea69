"""What a worker's container says of a model's files before the app, which has none, restarts the model."""

from __future__ import annotations

from collections.abc import Sequence

from engine.common.errors import EngineError
from engine.docker import compose
from engine.docker.containers import Container


def with_version(arguments: Sequence[str], there: Sequence[Container]) -> Sequence[str]:
    """Return the words of `models restart` with the version that the model's files declare, as a worker says.

    Raises:
        EngineError: A worker could not serve the files as they are.
    """
    names = [word for word in arguments[2:] if not word.startswith("-")]
    worker = next((one for one in there if one.service == "ml-worker"), None)
    if worker is None or not names:
        return arguments
    look = ["python", "-m", "ml_service.cli", "models", "declared", names[0]]
    answer = compose.output(["docker", "exec", worker.id, *look], None)
    if answer.code == 0:
        return [*arguments, f"--declares={answer.out.strip()}"]
    if "--anyway" in arguments:
        return arguments
    raise EngineError(f"No worker was asked, and all go on as they are. {answer.said}")

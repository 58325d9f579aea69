"""An upstream that answers 429: what a model postpones is answered when it can be, and no attempt is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.checker import banking, rows_of, violations
from tests.support.load import Load
from tests.support.rig import Setup, running_rig

pytestmark = pytest.mark.timeout(400)

MODEL = '''
import asyncio, time
from pathlib import Path
from ml_service.runtime.author import Context, Model, Retry

CALLS = Path(__file__).parent.parent / "calls"

class Upstream(Model):
    """Stands for one behind a server that is busy for some seconds."""

    name = "upstream"
    version = "1"
    description = "A test."
    input_schema = {"type": "object"}
    output_schema = {"type": "object"}

    async def predict(self, input, context: Context):
        with CALLS.open("a") as calls:
            calls.write(f"{context.prediction_id} {context.user} {context.attempt}\\n")
        await asyncio.sleep(0.2)
        if input["text"] == "never" or len(CALLS.read_text().split(context.prediction_id)) < 4:
            raise Retry(0.5)
        return {"text": input["text"]}
'''


async def test_a_postponed_input_is_answered_later_in_its_first_attempt(noted_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "upstream"
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(MODEL)
    env = {
        "MODELS_FOLDER": str(folder.parent),
        "DEFAULT_MODEL": "upstream",
        "RESEND_AFTER_S": "0.5",
        "MODEL_RETRY_S_MAX": "15",
    }
    setup = Setup(apps=1, workers=1, models="upstream", env=env)
    async with running_rig(noted_url, None, setup) as rig, banking(noted_url):
        load = Load(rig.urls)
        await load.register()
        for items in (0, 20):
            assert await load.ask(load.new_request(user="anna", model="upstream", items=items))
        never = load.new_request(user="boris", model="upstream", text="never")
        assert await load.ask(never)
        assert await violations(rig, load) == []
        rows = await rows_of(noted_url)
        assert {row["status"] for id_, row in rows.items() if str(id_) not in never.ids} == {"succeeded"}
        assert {row["attempts"] for row in rows.values()} == {1}
        [refused] = [row for id_, row in rows.items() if str(id_) in never.ids]
        assert (refused["status"], refused["error_code"]) == ("failed", "model_busy")
        calls = [line.split() for line in (folder.parent / "calls").read_text().splitlines()]
        assert {attempt for _, _, attempt in calls} == {"1"}
        assert len({user for _, user, _ in calls}) == 2
        await load.close()

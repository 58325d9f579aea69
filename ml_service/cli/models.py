"""`ml-service models`: what is offered, and whether a model of one's own is right."""

from __future__ import annotations

from typing import Annotated

import jsonschema_rs
import orjson
import typer
from rich.table import Table

from ml_service.cli.common import begin, command, out
from ml_service.domain.errors import InvalidInput, NotFound
from ml_service.domain.models import ModelSpec
from ml_service.runtime.answers import Failure
from ml_service.runtime.host import ModelHost
from ml_service.runtime.registry import UnknownModel, discover
from ml_service.settings import read_settings
from ml_service.usecases import models

app = typer.Typer(help="List the models, check one of your own.", no_args_is_help=True)

SHOWN_CHARS_MAX = 300


@app.command("list")
@command
async def list_() -> None:
    """List every model that a worker has announced."""
    async with begin() as session:
        listed = await models.list_all(session)
    table = Table("model", "version", "price", "workers", "batch", "pool")
    for one in listed:
        spec = one.spec
        table.add_row(
            spec.name, spec.version, str(one.price_credits), str(one.workers), str(spec.batch_size), spec.pool
        )
    out.print(table)


@app.command()
@command
async def forget(name: Annotated[str, typer.Argument(help="A model that no worker serves any more.")]) -> None:
    """Take a model out of the list: it can no longer be asked. A worker that serves it announces it again."""
    async with begin() as session:
        await models.forget(session, name)
    out.print(f"{name} is forgotten.")


@app.command()
@command
async def check(
    name: Annotated[str, typer.Argument(help="A model's name: a folder of models/, or a bundled one.")],
) -> None:
    """Run a model's own examples in its own process and hold the answers to its output schema."""
    try:
        source = discover([name], read_settings("ml_worker").models_folder)[name]
    except UnknownModel as error:
        raise NotFound(str(error)) from None
    host = ModelHost(source)
    try:
        await host.start()
        if not host.ready:
            raise InvalidInput(f"The model cannot be loaded. {host.error}")
        spec = host.spec
        out.print(
            f"{spec.name} {spec.version}: loaded in {host.load_s:.2f} s, {spec.price_credits} credits a prediction"
        )
        wrong = await _run_examples(host, spec)
    finally:
        await host.close()
    if wrong or not spec.examples:
        raise InvalidInput(f"{wrong} of {len(spec.examples)} examples are wrong." if wrong else "It has no examples.")
    out.print(f"All {len(spec.examples)} examples are right.")


async def _run_examples(host: ModelHost, spec: ModelSpec) -> int:
    """Print the answer to each example; returns how many are wrong."""
    output = jsonschema_rs.Draft202012Validator(spec.output_schema)
    wrong = 0
    for example in spec.examples:
        [answer] = await host.predict([orjson.dumps(example)])
        out.print(f"\n  input   {_short(orjson.dumps(example).decode())}", markup=False)
        if isinstance(answer, Failure):
            wrong += 1
            out.print(f"  failed  {answer.code}: {answer.message}", markup=False)
            continue
        out.print(f"  output  {_short(answer.output_json)}  ({answer.predict_ms:.1f} ms)", markup=False)
        for problem in output.iter_errors(orjson.loads(answer.output_json)):
            wrong += 1
            out.print(f"  schema  {problem.message}", markup=False)
            break
    return wrong


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_CHARS_MAX else text[:SHOWN_CHARS_MAX] + " …"

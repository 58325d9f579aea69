"""`ml-service models`: list the models; make, try and measure one of your own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import orjson
import typer

from ml_service.cli import model_manifests, model_restarts, model_states, model_templates
from ml_service.cli.common import OptionalReason, Reason, begin, counted, err, new_table, one_of, out, read_text, whole
from ml_service.cli.common import command_without_codes as command
from ml_service.cli.model_cards import CARD_FILE, draft
from ml_service.cli.model_templates import Template
from ml_service.cli.model_trials import (
    REQUESTS,
    batches_within,
    best_of,
    examine,
    input_of,
    measure,
    on_trial,
    requests_of,
    sizes_up_to,
    source_of,
    why,
)
from ml_service.domain.errors import DatabaseUnavailable, InvalidInput
from ml_service.domain.models import ModelSpec
from ml_service.platform.settings.ml_worker import WorkerSettings
from ml_service.platform.settings.reading import read_settings
from ml_service.runtime.host.model_folders import FOR_BENCHMARKS, survey
from ml_service.runtime.host.model_host import ModelHost
from ml_service.runtime.host.model_limits import ModelLimits
from ml_service.runtime.model_answers import ModelAnswer, Success
from ml_service.usecases import admin
from ml_service.usecases.admin import OPERATOR
from ml_service.usecases.model_restarts import OTHER_SCHEMAS, Which, check_restart, restart_model

app = typer.Typer(help="List the models; make, try and measure one of your own.", no_args_is_help=True)

SHOWN_CHARS_MAX = 300
NAMED_MAX = 3

OwnName = Annotated[str, typer.Argument(help="A model's name: a folder of models/, or a bundled one.")]
Name = Annotated[str, typer.Argument(help="The model's name.")]
Requests = Annotated[
    int, typer.Option(**whole(2, 100_000), help="Of a model with async predict: how many requests to send in all.")
]
Unserved = Annotated[bool, typer.Option("--unserved", help="Even if no worker serves it: requests then wait.")]


@app.command("list")
@command
async def list_() -> None:
    """List every model that a worker has announced, and every other one that could be served, with its state."""
    there = survey(read_settings(WorkerSettings).models_folder)
    seen, unserved = model_states.SeenModels(), ""
    try:
        seen, unserved = await model_states.look(), "off"
    except DatabaseUnavailable as error:
        err.print(f"Only what is in the folders here: {error.message}")
    table = new_table("model", "version", "default version", "state", "price", "workers", "batch", "pool")
    for one in seen.listed:
        spec, default = one.spec, "yes" if one.is_default else ""
        row = (spec.name, spec.version, default, seen.states[spec.full_name], str(one.price_credits), str(one.workers))
        table.add_row(*row, str(spec.batch_size), spec.pool)
    reasons = {**there.problems, **seen.reasons}
    names = there.models.keys() | there.problems.keys() | seen.unannounced.keys()
    for name in sorted(names - {FOR_BENCHMARKS} - {one.spec.name for one in seen.listed}):
        state = "broken" if name in reasons else seen.unannounced.get(name, unserved)
        table.add_row(name, "", "", state, "", "0", "", "")
    out.print(table)
    for name, reason in sorted(reasons.items()):
        err.print(f"{name}: {reason}")


@app.command()
@command
async def promote(
    model: Annotated[str, typer.Argument(metavar="NAME@VERSION", help="A version that a worker has announced.")],
    reason: OptionalReason = None,
    *,
    unserved: Unserved = False,
) -> None:
    """Make a version the default one: requests that name no version get it within a second."""
    name, _, version = model.partition("@")
    if not version:
        raise InvalidInput(f"Name a version, as in python3 start.py --cli models promote {name}@1.1.0")
    async with _naming_unserved(), begin() as session:
        await admin.change_model(
            session, OPERATOR, name, {"default_version": version}, reason=reason, allow_unserved=unserved
        )
    out.print(f"The default version of {name} is now {version}.")


@app.command()
@command
async def rollback(name: Name, reason: OptionalReason = None, *, unserved: Unserved = False) -> None:
    """Go back to the version that was the default before."""
    async with _naming_unserved(), begin() as session:
        version = await admin.rollback_model(session, OPERATOR, name, reason=reason, allow_unserved=unserved)
    out.print(f"The default version of {name} is now {version}.")


@app.command()
@command
async def disable(name: Name, reason: Reason) -> None:
    """Switch a model off: nothing is accepted for it, with any version. What was accepted is finished."""
    async with begin() as session:
        await admin.change_model(session, OPERATOR, name, {"is_enabled": False}, reason=reason)
    out.print(f"{name} is switched off.")


@app.command()
@command
async def enable(name: Name, reason: Reason) -> None:
    """Switch a model on again."""
    async with begin() as session:
        await admin.change_model(session, OPERATOR, name, {"is_enabled": True}, reason=reason)
    out.print(f"{name} is switched on.")


@app.command()
@command
async def forget(
    name: Annotated[str, typer.Argument(help="A model, or a version as NAME@VERSION, that no worker serves any more.")],
) -> None:
    """Take a model or a version out of the list: it can no longer be asked. What waits for it fails after a while."""
    async with begin() as session:
        await admin.forget_model(session, OPERATOR, name)
    out.print(f"{name} is forgotten.")


@app.command()
@command
async def restart(
    name: Name,
    *,
    one: Annotated[bool, typer.Option("--one", help="One worker of each pool only, to promote a new version.")] = False,
    rest: Annotated[bool, typer.Option("--rest", help="Those only that lack the version of the files.")] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Even if requests then wait, or it cannot be served.")
    ] = False,
    declares: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Have workers load a model with its files as they are now, a new one too; everything else goes on."""
    if one and rest:
        raise InvalidInput("--one and --rest are two steps: first the one, and after models promote the other.")
    which = Which.ONE if one else Which.REST if rest else Which.ALL
    version = declares or await model_restarts.version_to_restart(name, anyway=anyway)
    before = await model_restarts.reports_of(name)
    async with begin() as session:
        await check_restart(session, name, which, declares=version, anyway=anyway)
    if version is not None and not anyway:
        await model_restarts.wait_until_answered(name, which, version)
    async with begin() as session:
        meant = await restart_model(session, OPERATOR, name, which, declares=version, anyway=anyway)
    if meant == []:
        out.print(f"All workers with {name} serve {version} already.")
    elif meant is None and before == {}:
        await model_restarts.wait_until_taken(name)
        out.print(f"The workers take {name} up and load it. See: python3 start.py --status")
    elif meant is None:
        out.print(f"The workers load {name} again as soon as they have finished what they compute with it.")
    elif version is None or not model_restarts.would_show(before or {}, meant, version):
        out.print(f"{', '.join(meant)}: loads {name} again. See: python3 start.py --status")
    elif await model_restarts.wait_until_served(name, version, meant):
        out.print(f"{', '.join(meant)}: serves {name}@{version} now.")
    else:
        out.print(f"{', '.join(meant)}: still loads {name}@{version}. See: python3 start.py --status")


@app.command(hidden=True)
@command
async def declared(name: Name) -> None:
    """Print the version that a model's files declare, where a worker could serve it."""
    print(await model_restarts.declared_version(name))  # noqa: T201 - for another program to read


@app.command()
@command
async def new(
    name: Annotated[str, typer.Argument(help="The new model's name: lower case letters, digits and hyphens.")],
    template: Annotated[str, typer.Option(**one_of(*Template), help="What it begins as.")] = Template.PYTHON,
) -> None:
    """Make a folder in models/ with a working model to start from."""
    folder = model_templates.create(name, Template(template), read_settings(WorkerSettings).models_folder)
    out.print(f"{folder} is a model now. Change it, and try it: python3 start.py --cli models check {name}")
    if (folder / "requirements.txt").exists():
        out.print(
            f"It needs the packages of {folder / 'requirements.txt'}: start.py installs them where it runs natively."
        )


@app.command()
@command
async def manifest(
    name: OwnName,
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Files or folders in the model's folder; by default, all that look like weights."),
    ] = None,
    print_only: Annotated[bool, typer.Option("--print", help="Print it; write nothing.")] = False,  # noqa: FBT002
) -> None:
    """Write weights.json: size and SHA-256 of a model's weights, which are then verified before each load."""
    folder = source_of(name).path.parent
    text = await asyncio.to_thread(model_manifests.text_of, folder, files or [])
    if print_only:
        print(text, end="")  # noqa: T201 - for another program to read
        return
    file = model_manifests.write(folder, text)
    out.print(f"{file} names {counted(text.count('sha256'), 'file')}. Restart the model to load what it names.")


@app.command()
@command
async def check(name: OwnName) -> None:
    """Try a model as a worker would run it, while the service is stopped or not: its examples, alone and in batches."""
    async with on_trial(name) as host:
        spec = host.spec
        out.print(
            f"{spec.name} {spec.version}: loaded in {host.load_s:.2f} s, "
            f"{counted(spec.price_credits, 'credit')} a prediction"
        )
        found = await examine(host)
        if await model_restarts.has_other_schemas(spec):
            found.problems.append(OTHER_SCHEMAS.format(model=spec.full_name))
        _print_answers(spec, found.answers)
        for note in found.notes:
            out.print(f"Note: {note}")
        if found.problems:
            raise InvalidInput(" ".join(found.problems))
        number = len(spec.examples)
        out.print("The example is right." if number == 1 else f"All {number} examples are right.")
        folder = host.source.path.parent
        if said := model_manifests.summary(folder):
            out.print(said)
        if unverified := [] if host.source.is_bundled else model_manifests.unverified(folder):
            out.print(
                f"Note: {', '.join(unverified[:NAMED_MAX])} may be changed unseen. "
                f"python3 start.py --cli models manifest {name} has all weights verified before each load."
            )
        limits = ModelLimits.of(read_settings(WorkerSettings))
        own = host.declared
        memory_max, output_max = own.memory_bytes_max or limits.memory_bytes_max, own.output_bytes_max
        used = f"{found.memory_bytes / 2**20:,.0f}" if found.memory_bytes is not None else "?"
        if not host.declared.is_concurrent:
            out.print(f"Batches of 1 to {spec.batch_size} give the same answers, and so does a second run.")
        out.print(
            f"Limits: memory {used} of {memory_max / 2**20:,.0f} MiB, longest call {found.longest_ms / 1e3:.2f} of "
            f"{spec.timeout_s:g} s, largest output {found.largest_bytes:,} of "
            f"{output_max or limits.output_bytes_max:,} bytes."
        )


@app.command()
@command
async def run(
    name: OwnName,
    text: Annotated[str, typer.Option("--input", help="JSON, a plain text, or @FILE with either.")],
) -> None:
    """Answer one input with a model in a process of its own; nothing is stored or charged."""
    text = read_text(Path(text[1:])) if text.startswith("@") else text
    async with on_trial(name) as host:
        [answer] = await host.predict([input_of(host.spec, text)])
    if not isinstance(answer, Success):
        raise InvalidInput(why(answer))
    print(answer.output_json)  # noqa: T201 - for another program to read
    err.print(f"{answer.predict_ms:.1f} ms")


@app.command()
@command
async def bench(name: OwnName, requests: Requests = REQUESTS) -> None:
    """Measure each batch size with the model's own examples, in one process, which uses one core."""
    async with on_trial(name) as host:
        _say_requests(host, requests)
        rates = await measure(host, requests)
        declared = host.spec.batch_size
    table = new_table("batch", "inputs/s", "ms a batch")
    for one in rates:
        table.add_row(str(one.size), f"{one.per_second:,.0f}", f"{one.batch_ms:.2f}")
    out.print(table)
    best = best_of(rates)
    out.print(f"The best batch_size is {best.size}; the model declares {declared}.")
    out.print("Each worker is a process more: with a core for each, so many times the rate.")


@app.command()
@command
async def card(name: OwnName) -> None:
    """Print a model's card (MODEL_CARD.md), or a draft of one, with figures that are measured now."""
    written = source_of(name).path.with_name(CARD_FILE)
    if written.exists():
        print(read_text(written), end="")  # noqa: T201 - Markdown, as it is
        return
    async with on_trial(name) as host:
        _say_requests(host, REQUESTS)
        found = await examine(host)
        if found.problems:
            raise InvalidInput(" ".join(found.problems))
        text = draft(host.spec, found, await measure(host))
    print(text)  # noqa: T201
    err.print(f"A draft: complete it, and keep it as {written}.")


@asynccontextmanager
async def _naming_unserved() -> AsyncIterator[None]:
    """Name the option that takes a version which no worker serves."""
    try:
        yield
    except InvalidInput as error:
        if not any(one["location"] == "body.default_version" for one in error.details.get("errors", ())):
            raise
        raise InvalidInput(f"{error.message} Or make it the default in advance: --unserved") from None


def _say_requests(host: ModelHost, requests: int) -> None:
    """Say beforehand what measuring a model that asks others may cost there."""
    if not host.declared.is_concurrent:
        return
    sizes = sizes_up_to(host.spec.batch_size)
    batches = batches_within(requests, host.spec.batch_size)
    said = f"{host.spec.name} asks others: {requests_of(batches)} requests are sent to measure it."
    if len(batches) < len(sizes):
        every = requests_of(dict.fromkeys(sizes, 1))
        said += f" Batches beyond {max(batches)} are left out: bench --requests {every} measures all."
    err.print(said)


def _print_answers(spec: ModelSpec, answers: list[ModelAnswer]) -> None:
    for example, answer in zip(spec.examples, answers, strict=False):
        out.print(f"\n  input   {_short(orjson.dumps(example).decode())}")
        if isinstance(answer, Success):
            out.print(f"  output  {_short(answer.output_json)}  ({answer.predict_ms:.1f} ms)")
        else:
            out.print(f"  failed  {why(answer)}")


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_CHARS_MAX else text[:SHOWN_CHARS_MAX] + " …"

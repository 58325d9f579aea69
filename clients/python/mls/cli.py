"""The command line: `mls predict "…"`, `mls models`, `mls balance` and more."""

from __future__ import annotations

import argparse
import codecs
import io
import json
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import httpx2

from mls._calls import Input
from mls._connect import client_version
from mls._output import opened
from mls.bulk import BulkJob
from mls.client import Client
from mls.errors import ApiError, ServiceUnreachable, StillRunning
from mls.progress import Progress
from mls.types import Answered, Prediction, PredictionFailed

DESCRIPTION = """Asks an ML Service. Say where it is and who asks by MLS_URL and MLS_API_KEY, or MLS_USERNAME and
MLS_PASSWORD, in the environment."""
OUT = "for the results: CSV where it is named .csv, else lines of JSON; otherwise standard output"
FAILED, MISUSED, INTERRUPTED = 1, 2, 130


_ESCAPED = "mls.escaped"


def _escape(error: UnicodeError) -> tuple[str, int]:
    """What the output cannot hold, as JSON writes it in ASCII."""
    assert isinstance(error, UnicodeEncodeError)  # noqa: S101  of an output
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


codecs.register_error(_ESCAPED, _escape)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 1 where the service refused, or the prediction failed."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if "run" not in asked:
        parser.print_help(sys.stderr)
        return MISUSED
    if isinstance(sys.stdout, io.TextIOWrapper):  # an answer is paid by then, whatever the terminal can show
        sys.stdout.reconfigure(errors=_ESCAPED)
    try:
        with Client(asked.url) as client:
            run: Callable[[Client, argparse.Namespace], None] = asked.run
            run(client, asked)
    except BrokenPipeError:  # `mls models | head`
        sys.stderr.close()
        return FAILED
    except httpx2.InvalidURL:  # the client's own is checked; this may have a password in it
        parser.error("The address of a proxy in the environment cannot be read.")
    except (ValueError, OSError) as error:
        parser.error(str(error))
    except (ApiError, ServiceUnreachable, StillRunning, PredictionFailed) as error:
        sys.stderr.write(f"mls: {error}\n")
        for one in error.errors if isinstance(error, ApiError) else ():
            sys.stderr.write(f"  {one['location']}: {one['message']}\n")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("mls", description=DESCRIPTION)
    parser.add_argument("--url", help="where the service is; otherwise MLS_URL")
    parser.add_argument("--version", action="version", version=f"mls {client_version()}")
    commands = parser.add_subparsers(metavar="command")
    for name, run, words in (
        ("predict", _predict, "ask, wait for the answer and print it"),
        ("quote", _quote, "what it would cost and how long it would take"),
    ):
        command = commands.add_parser(name, help=words)
        command.add_argument("text", nargs="?", help="a text, or - to read it from the standard input")
        command.add_argument("--input", type=json.loads, metavar="JSON", help="instead of a text, a whole input")
        command.add_argument("--model", help="a name, or name@version; otherwise the service's default model")
        command.set_defaults(run=run)
        if name == "predict":
            command.add_argument("--timeout", type=_seconds, default=120.0, metavar="SECONDS", help="of waiting (120)")
            command.add_argument("--deadline", type=_seconds, metavar="SECONDS", help="after which it expires")
            command.add_argument("--no-wait", action="store_true", help="print the prediction's id at once")
            command.add_argument("--json", action="store_true", help="print the whole prediction")
    for name, run, words in (
        ("show", _show, "print a prediction"),
        ("cancel", _cancel, "cancel a prediction"),
    ):
        command = commands.add_parser(name, help=words)
        command.add_argument("id")
        command.set_defaults(run=run)
    command = commands.add_parser("bulk", help="ask for each line of a .csv or .jsonl file, and write the answers")
    command.add_argument("file")
    command.add_argument("--out", metavar="FILE", help=OUT)
    command.add_argument("--model", help="a name, or name@version; otherwise the service's default model")
    command.add_argument("--column", help="of a CSV: the column that is the text")
    command.add_argument("--max-credits", type=_credits, metavar="N", help="refuse a file that costs more in all")
    command.add_argument("--no-wait", action="store_true", help="print the job's id at once")
    command.set_defaults(run=_bulk)
    command = commands.add_parser("results", help="write the results of a bulk job")
    command.add_argument("id")
    command.add_argument("--out", metavar="FILE", help=OUT)
    command.set_defaults(run=_results)
    commands.add_parser("models", help="list what can be asked, and the prices").set_defaults(run=_models)
    commands.add_parser("balance", help="print the credits that there are").set_defaults(run=_balance)
    return parser


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,20}(\.[0-9]{1,20})?", text):  # float() takes 1_0 and the digits of every script
        raise argparse.ArgumentTypeError(f"must be a number of seconds, such as 5 or 0.5, not {text[:40]!r}")
    return float(text)


def _credits(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):  # int() takes 1_0 and the digits of every script
        raise argparse.ArgumentTypeError(f"must be a number of credits, such as 5, not {text[:40]!r}")
    return int(text)


def _predict(client: Client, asked: argparse.Namespace) -> None:
    value = _input_of(asked)
    if asked.no_wait:
        _print(str(client.submit(value, model=asked.model, deadline_s=asked.deadline).id))
        return
    found = client.predict(value, model=asked.model, timeout_s=asked.timeout, deadline_s=asked.deadline)
    if asked.json:
        _print_all(found)
    _print_answer(found, quiet=asked.json)


def _quote(client: Client, asked: argparse.Namespace) -> None:
    _print_all(client.quote(_input_of(asked), model=asked.model))


def _bulk(client: Client, asked: argparse.Namespace) -> None:
    def submit() -> BulkJob:
        return client.submit_bulk(asked.file, model=asked.model, column=asked.column, max_credits=asked.max_credits)

    if asked.no_wait:
        _print(str(submit().bulk_id))
        return
    with _opened(asked.out, asked.file) as file:  # before anything is paid
        job = submit()
        held = f"credits held: {job.cost_max}"
        sys.stderr.write(f"{job.bulk_id}: lines: {job.lines}, invalid: {job.lines_invalid}, {held}\n")
        is_terminal = sys.stderr.isatty()

        def tell(now: Progress) -> None:
            if is_terminal:
                sys.stderr.write(f"\r{now.done} of {now.total}, {now.per_second:.0f} a second")

        job = client.wait_bulk(job.bulk_id, on_progress=tell)
        end_of_line = "\n" if is_terminal else ""
        sys.stderr.write(f"{end_of_line}answered: {job.succeeded}, failed: {job.failed}, credits paid: {job.charged}\n")
        _write_results(client, job.bulk_id, asked.out, file)


def _results(client: Client, asked: argparse.Namespace) -> None:
    with _opened(asked.out) as file:
        job = client.get_bulk(asked.id)
        if job.finished_at is None:
            sys.stderr.write("The job is not over yet: lines that have no answer are queued or processing.\n")
        _write_results(client, asked.id, asked.out, file)


def _opened(out: str | None, source: str | None = None) -> AbstractContextManager[BinaryIO | None]:
    return nullcontext() if out is None else opened(out, source)


def _write_results(client: Client, bulk_id: UUID | str, out: str | None, file: BinaryIO | None) -> None:
    if out is not None and file is not None and Path(out).suffix.lower() == ".csv":
        file.writelines(client.bulk_csv(bulk_id))
        return
    for result in client.bulk_results(bulk_id):
        line = result.model_dump_json() + "\n"
        if file is None:
            sys.stdout.write(line)
        else:
            file.write(line.encode())


def _show(client: Client, asked: argparse.Namespace) -> None:
    _print_all(client.get(asked.id))


def _cancel(client: Client, asked: argparse.Namespace) -> None:
    _print_all(client.cancel(asked.id))


def _models(client: Client, _asked: argparse.Namespace) -> None:
    models = client.models()
    width = max((len(one.name) for one in models), default=0)
    for one in models:
        state = "" if one.is_live else f"  ({one.state})"
        _print(
            f"{one.name:{width}}  {one.version:8}  {_number(one.price_credits, 'credit'):>10}  {one.description}{state}"
        )


def _balance(client: Client, _asked: argparse.Namespace) -> None:
    found = client.balance()
    _print(f"{_number(found.balance, 'credit')}, {found.held} more are held")


def _input_of(asked: argparse.Namespace) -> Input:
    if (asked.text is None) == (asked.input is None):
        raise ValueError("Give a text or --input.")
    if asked.input is not None:
        if not isinstance(asked.input, dict):
            raise ValueError("--input takes a JSON object.")
        return dict[str, Any](asked.input)
    # A line that `echo` ends is meant without its end.
    return sys.stdin.read().removesuffix("\n").removesuffix("\r") if asked.text == "-" else str(asked.text)


def _print_answer(found: Prediction, *, quiet: bool) -> None:
    output = found.result()
    if not quiet:
        _print(json.dumps(output, ensure_ascii=False))


def _print_all(found: Answered) -> None:
    _print(found.model_dump_json())


def _number(count: int, of: str) -> str:
    return f"{count} {of}" if count == 1 else f"{count} {of}s"


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())

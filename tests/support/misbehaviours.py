"""What models do to themselves and others, as one table: each row is a model that misbehaves when an input says "bad".

Most take batches of dicts; some rows come again for a model with types that takes one input, and for one that waits.

A row that is expected to succeed does something odd that must not matter; the others say which error code and which
words the caller gets. Rows with ``load`` or ``file`` cannot be loaded, and say why.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

SUCCESS = "success"
UNLOADABLE = "unloadable"
HANG_S = 1.5
"""Short, for the time of a model that hangs has to run out."""
PATIENCE_S = 30.0
"""Long, for a busy machine must not look like a hang."""

BATCH, TYPED, WAITING = "", "def", "async def"
"""How a model is called: with a batch, or by `predict(self, text: str)`, which computes or waits."""

_HEAD = """\
import atexit, ctypes, json, math, os, resource, shutil, signal, subprocess, sys, threading, time
from pathlib import Path
from ml_service.runtime.author import Model, PredictionFailure, Retry

def call(action):
    raise action

def call_c(name, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)

class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError
    __repr__ = __str__

class EvilDict(dict):
    def items(self):
        raise ZeroDivisionError

def endless(value):
    while True:
        yield value

def failing(values):
    yield values[0]
    raise ValueError

def recurse(depth=0):
    return recurse(depth + 1)

def in_fork(action):
    pid = os.fork()
    if pid == 0:
        action()
        os._exit(0)
    return pid

def own_session():
    os.setsid()
    time.sleep(20)  # where the worker is killed with SIGKILL, nothing ends it earlier
"""
_CLASS = """
class Odd(Model):
    name = "{name}"
    version = "1"
    description = "Misbehaves."
    input_schema = {{"type": "object"}}
    output_schema = {{"type": "object", "properties": {{"text": {{"type": "string"}}}}, "required": ["text"]}}
    timeout_s = {timeout_s}
    load_timeout_s = 20.0
    memory_bytes_max = 256 * 2**20
    {declare}

    def load(self):
        {load}

    def predict(self, inputs):
        if any(each["text"] == "bad" for each in inputs):
            {whole}
        return [self.answer(each["text"]) for each in inputs]

    def answer(self, text):
        output = {{"text": text}}
        if text == "bad":
            {deed}
        return output
"""
_ONE_INPUT_CLASS = """
import dataclasses

@dataclasses.dataclass
class Said:
    text: str

class Odd(Model):
    name = "{name}"
    version = "1"
    description = "Misbehaves."
    timeout_s = {timeout_s}
    load_timeout_s = 20.0
    memory_bytes_max = 256 * 2**20

    {predict} predict(self, text: str, id: str = "") -> Said:
        output = Said(text)
        if text == "bad":
            {deed}
        return output
"""


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """A row of the table.

    Attributes:
        name: What it does; with hyphens, also the model's name.
        code: The error code that the caller gets, `SUCCESS`, or `UNLOADABLE`.
        says: Part of the message, or of the reason why it cannot be loaded.
        deed: Statements for one input.
        whole: Statements for a call with such an input.
        load, declare: Statements in `load` and in the class.
        before: Statements at the top of the file.
        file: The whole file instead.
        predict: `BATCH`, or how the one-input `predict` begins; only ``deed`` counts then.
    """

    name: str
    code: str
    says: str = ""
    deed: str = "pass"
    whole: str = "pass"
    load: str = "pass"
    declare: str = "pass"
    before: str = ""
    file: bytes | None = None
    predict: str = BATCH

    @property
    def model(self) -> str:
        """The model's name, and its folder's."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower())

    @property
    def source(self) -> bytes:
        """The text of ``model.py``."""
        if self.file is not None:
            return self.file
        timeout_s = HANG_S if self.code == "model_timeout" else PATIENCE_S
        if self.predict:
            body = _ONE_INPUT_CLASS.format(name=self.model, timeout_s=timeout_s, predict=self.predict, deed=self.deed)
            return (_HEAD + body).encode()
        body = _CLASS.format(
            name=self.model, timeout_s=timeout_s, declare=self.declare, load=self.load, whole=self.whole, deed=self.deed
        )
        return (_HEAD + self.before + "\n" + body).encode()


_RAISES = [
    ("raises", "ValueError", "raise ValueError('secret detail')"),
    ("interrupts itself", "KeyboardInterrupt", "raise KeyboardInterrupt"),
    ("calls exit", "SystemExit", "sys.exit(0)"),
    ("stops an iteration", "StopIteration", "raise StopIteration"),
    ("raises what cannot be printed", "Unprintable", "raise Unprintable"),
    ("recurses without end", "RecursionError", "recurse()"),
    ("returns a dict that raises", "ZeroDivisionError", "return EvilDict(text=text)"),
    ("forgets an import", "NameError", "no_such_name"),
]
# Signal 0 is refused as any other would be; where nothing refuses it (not Linux), it does no harm.
_SIGNALS = [
    ("signals its worker", "PermissionError", "os.kill(os.getppid(), 0)"),
    ("signals the group of its worker", "PermissionError", "os.killpg(os.getpgid(os.getppid()), 0)"),
    ("signals everybody", "PermissionError", "os.kill(-1, 0)"),
    ("signals its worker by descriptor", "PermissionError", "signal.pidfd_send_signal(os.pidfd_open(os.getppid()), 0)"),
    ("queues a signal for its worker", "PermissionError", "call_c('sigqueue', os.getppid(), 0, None)"),
    ("limits its worker", "PermissionError", "resource.prlimit(os.getppid(), resource.RLIMIT_CPU)"),
    ("pins its worker", "PermissionError", "os.sched_setaffinity(os.getppid(), os.sched_getaffinity(0))"),
]
_CRASHES = [
    ("exits with 0", "exited with status 0", "os._exit(0)"),
    ("exits with 1", "exited with status 1", "os._exit(1)"),
    ("segfaults", "was killed by SIGSEGV", "ctypes.string_at(0)"),
    ("aborts", "was killed by SIGABRT", "os.abort()"),
    ("kills itself", "was killed by SIGKILL", "os.kill(os.getpid(), signal.SIGKILL)"),
    ("kills its own group", "was killed by SIGKILL", "os.killpg(0, signal.SIGKILL)"),
    ("closes every descriptor", "The model's process", "os.closerange(0, 256)"),
    ("exits beside a fork in its own session", "exited with status 4", "in_fork(own_session), os._exit(4)"),
    (
        "exits beside a hanging thread",
        "exited with status 5",
        "threading.Thread(target=time.sleep, args=(300,)).start(), os._exit(5)",
    ),
]
_HANGS = [
    ("hangs", "time.sleep(300)"),
    ("spins", "while True: pass"),
    ("waits for its own lock", "lock = threading.Lock(); lock.acquire(); lock.acquire()"),
    ("stops itself", "os.kill(os.getpid(), signal.SIGSTOP)"),
    (
        "hangs with all signals blocked",
        "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals()); time.sleep(300)",
    ),
    (
        "hangs with all signals ignored",
        "[signal.signal(one, signal.SIG_IGN) for one in (1, 2, 3, 6, 10, 12, 13, 14, 15)]; time.sleep(300)",
    ),
    ("waits for a program that hangs", "subprocess.run(['sleep', '300'])"),
]
_INVALID = [
    ("returns a number for a text", '1 is not of type "string"', "return {'text': 1}"),
    ("returns an empty dict", '"text" is a required property', "return {}"),
    ("returns nothing for an input", "None as an output", "return None"),
    ("returns a list for an input", "a list (['bad']) as an output", "return [text]"),
    ("returns a text for an input", "a str ('bad') as an output", "return text"),
    ("returns NaN", "nan in output.x", "return {'text': text, 'x': math.nan}"),
    ("returns infinity", "inf in output.x", "return {'text': text, 'x': [math.inf]}"),
    ("returns a huge integer", "an integer beyond 64 bits", "return {'text': text, 'x': 2**70}"),
    ("returns a set", "return a list, a set has no order", "return {'text': text, 'x': {1, 2}}"),
    ("returns an object", "which has no JSON form", "return {'text': text, 'x': object()}"),
    ("returns a function", "a function", "return {'text': text, 'x': recurse}"),
    ("returns half a character", "half a character", "return {'text': chr(0xD800)}"),
    ("returns a NUL", "a NUL character in output.text", "return {'text': chr(0)}"),
    ("returns the same name twice", "two names that are the same text", "return {'text': text, 1: 1, '1': 2}"),
    (
        "returns a deep nest",
        "levels of nesting",
        "exec('x = []\\nfor _ in range(100_000): x = [x]', scope := {}); return {'text': text, 'x': scope['x']}",
    ),
    ("returns itself in itself", "levels of nesting", "output['x'] = output"),
    ("returns 50 MB", "50,000,011 bytes of JSON; the limit is 1,048,576", "return {'text': 'x' * 50_000_000}"),
]
_INVALID_CALLS = [
    ("returns too few outputs", "0 outputs for 1 inputs", "return []"),
    ("returns too many outputs", "2 outputs for 1 inputs", "return [{'text': ''}] * (len(inputs) + 1)"),
    ("returns outputs without end", "more outputs for 1 inputs", "return endless({'text': ''})"),
    ("returns nothing at all", "None for 1 inputs", "return None"),
    ("returns one dict for all", "a dict for 1 inputs", "return {'text': ''}"),
    ("returns one text for all", "a str for 1 inputs", "return 'x' * len(inputs)"),
    ("returns a set of outputs", "a set for 1 inputs", "return {1}"),
    ("empties its inputs", "0 outputs for 1 inputs", "inputs.clear()"),
]
_HARMLESS = [
    ("forks and the fork returns", "os.fork()"),
    ("forks and the fork exits", "in_fork(lambda: None)"),
    ("forks and the fork hangs", "in_fork(lambda: time.sleep(300))"),
    ("forks into its own session", "in_fork(own_session)"),
    ("forks and the fork kills the worker", "in_fork(lambda: os.kill(os.getppid(), 0))"),
    (
        "terminates a program",
        "assert (one := subprocess.Popen(['sleep', '300'])).terminate() is None and one.wait() == -15",
    ),
    ("leaves a program behind", "subprocess.Popen('sleep 300 & sleep 300', shell=True)"),
    ("leaves a daemon thread behind", "threading.Thread(target=time.sleep, args=(300,), daemon=True).start()"),
    ("leaves a thread behind", "threading.Thread(target=time.sleep, args=(300,)).start()"),
    ("closes its standard streams", "[os.close(each) for each in (0, 1, 2)]"),
    ("writes to its standard streams", r"[os.write(each, b'\x00\x00\x00\x05\x05junk\n') for each in (1, 2)]"),
    ("reads its standard input", "assert sys.stdin.read() == ''"),
    ("drops its standard streams", "sys.stdout = sys.stderr = sys.stdin = None"),
    ("prints 5 MB", "print('much\\n' * 1_000_000, end='')"),
    ("prints a line of 5 MB", "print('x' * 5_000_000)"),
    ("prints half a character", "print(chr(0xD800))"),
    ("changes its folder", "os.chdir('/')"),
    ("changes its umask", "os.umask(0o777)"),
    ("changes its environment", "os.environ.clear()"),
    ("changes its priority", "os.nice(19)"),
    ("ignores the signals that end it", "[signal.signal(one, signal.SIG_IGN) for one in (2, 15)]"),
    ("sets an alarm that ends it later", "signal.signal(signal.SIGALRM, signal.SIG_DFL); signal.setitimer(0, 0.2)"),
    ("hangs at exit", "atexit.register(time.sleep, 300)"),
    ("replaces json", "json.dumps = json.loads = json.JSONEncoder.encode = json.JSONDecoder.decode = None"),
    ("replaces os.write", "os.write = os.read = None"),
    ("forbids itself further files", "resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))"),
    ("lowers the recursion limit", "sys.setrecursionlimit(60)"),
    ("deletes its own folder", "shutil.rmtree(Path(__file__).parent)"),
    ("rewrites its own file", "Path(__file__).write_text('raise SystemExit')"),
    ("gives bytes for a text", "return {'text': b'bad'}"),
]
_FILES = [
    ("file is empty", "it defines none", b""),
    ("file is binary", "cannot be imported", b"\x7fELF\x00\x00"),
    ("file is in another encoding", "cannot be imported", "word = '\u044f'\n".encode("cp1251")),
    ("file has a syntax error", "(line 1)", b"class Odd(:\n"),
    ("file needs a missing package", "needs the Python package 'no_such_package'", b"import no_such_package\n"),
    ("file raises", "cannot be imported: ZeroDivisionError", b"1 / 0\n"),
    ("file calls exit", "cannot be imported: SystemExit", b"raise SystemExit(3)\n"),
    ("file ends the process", "exited with status 0 while it loaded", b"import os\nos._exit(0)\n"),
    ("file segfaults", "was killed by SIGSEGV while it loaded", b"import ctypes\nctypes.string_at(0)\n"),
    ("file imports what is not there", "cannot be imported: ImportError", b"from json import no_such_name\n"),
]
_LOADS = [
    ("load raises", "OSError: no weights here", "raise OSError('no\\n weights\\t here')"),
    ("load calls exit", "SystemExit", "sys.exit(1)"),
    ("load ends the process", "exited with status 7 while it loaded", "os._exit(7)"),
    ("load segfaults", "was killed by SIGSEGV while it loaded", "ctypes.string_at(0)"),
    ("load eats memory", "needs more memory to load than it may take", "self.eaten = bytearray(2**30)"),
    ("load raises what cannot be printed", "Loading it raised Unprintable", "raise Unprintable"),
]
_DECLARES = [
    ("declares another name", "its folder's name promises", "name = 'another'"),
    ("declares no version", "version is missing", "version = None"),
    ("declares a schema of a list", 'must be a JSON Schema with "type": "object"', "input_schema = {'type': 'array'}"),
    (
        "declares a wrong schema",
        "output_schema is no valid JSON Schema",
        "output_schema = {'type': 'object', 'required': 3}",
    ),
    ("declares a schema that is no JSON", "declares what is no JSON", "input_schema = {'type': {'object'}}"),
    (
        "declares a schema that holds itself",
        "declares what is no JSON",
        "input_schema = {}; input_schema['x'] = input_schema",
    ),
    (
        "declares a schema elsewhere",
        "no valid JSON Schema",
        "input_schema = {'type': 'object', '$ref': 'https://nowhere.invalid/x'}",
    ),
    ("declares a negative price", "price_credits must be from 0", "price_credits = -1"),
    ("declares a batch of 0", "batch_size must be from 1", "batch_size = 0"),
    ("declares time that is no number", "timeout_s must be from", "timeout_s = float('nan')"),
    (
        "declares an example that does not fit",
        "examples[0] does not fit",
        "input_schema = {'type': 'object', 'required': ['text']}; examples = [{}]",
    ),
    ("takes arguments", "Loading it raised TypeError", "def __init__(self, path): pass"),
    ("is two models", "must define exactly one subclass", "exec('class Other(Model): pass', globals())"),
    ("load takes too long", "was not loaded in 1 s", "load_timeout_s = 1; __init__ = lambda self: time.sleep(300)"),
]

_FILES_OF_ONE_INPUT = [
    ("declares a type without a schema", "has no JSON Schema", "text: threading.Thread) -> dict"),
    ("declares no type of its output", "must say what it returns", "text: str)"),
    ("declares an output that is no object", "must return a pydantic model or a dataclass", "text: str) -> str"),
    ("declares a type that is not there", "has a type that cannot be read", "text: 'Nowhere') -> dict"),
    ("declares an input beside another", "it has to be the only one", "input: str, text: str) -> dict"),
]


def _with_signature(name: str, signature: str) -> bytes:
    name = name.replace(" ", "-")
    body = f"class Odd(Model):\n    name = {name!r}\n    version = '1'\n    description = 'Misbehaves.'\n"
    return f"{_HEAD}\n{body}\n    def predict(self, {signature}:\n        raise ValueError\n".encode()


def _of_one_input() -> list[Misbehaviour]:
    """Some of the table again, for a model that takes one input: one that computes, and one that waits for others."""
    rows = [
        *(("model_error", *row) for row in (*_RAISES[:3], *_RAISES[4:6])),
        *(("model_crashed", *row) for row in (_CRASHES[1], _CRASHES[2], _CRASHES[6])),
        *(("model_timeout", name, "was not done in 1.5 s", deed) for name, deed in _HANGS[:2]),
        ("model_out_of_memory", "leaks memory", "more memory", "list(map(bytes, [2**20] * 1000))"),
        *(("output_invalid", *row) for row in _INVALID if row[0] in ("returns NaN", "returns nothing for an input")),
        ("output_invalid", "returns a number for a text", '1 is not of type "string"', "return Said(1)"),
        ("output_invalid", "returns 50 MB", "50,000,011 bytes", "return Said('x' * 50_000_000)"),
        ("input_rejected", "rejects an input", "Not this.", "raise PredictionFailure('Not this.')"),
        *((SUCCESS, name, "", deed) for name, deed in _HARMLESS if name.startswith(("forks", "prints", "leaves"))),
    ]
    return [
        Misbehaviour(f"{kind} {name}", code, says, deed=deed, predict=predict)
        for kind, predict in (("typed", TYPED), ("waiting", WAITING))
        for code, name, says, deed in rows
    ]


MISBEHAVIOURS: tuple[Misbehaviour, ...] = (
    *(Misbehaviour(name, "model_error", says, deed=deed) for name, says, deed in _RAISES),
    *(Misbehaviour(name, "model_error", says, deed=deed) for name, says, deed in _SIGNALS if sys.platform == "linux"),
    *(Misbehaviour(name, "model_crashed", says, deed=deed) for name, says, deed in _CRASHES),
    *(Misbehaviour(name, "model_timeout", "was not done in 1.5 s", deed=deed) for name, deed in _HANGS),
    Misbehaviour("eats memory at once", "model_out_of_memory", "more memory", deed="bytearray(2**30)"),
    Misbehaviour("leaks memory", "model_out_of_memory", "more memory", deed="list(map(bytes, [2**20] * 1000))"),
    *(Misbehaviour(name, "output_invalid", says, deed=deed) for name, says, deed in _INVALID),
    *(Misbehaviour(name, "output_invalid", says, whole=whole) for name, says, whole in _INVALID_CALLS),
    Misbehaviour("raises between outputs", "model_error", "ValueError", whole="return failing([{'text': ''}])"),
    Misbehaviour("rejects an input", "input_rejected", "Not this.", deed="return PredictionFailure('Not this.')"),
    Misbehaviour("returns a generator", SUCCESS, whole="return ({'text': each['text']} for each in inputs)"),
    *(Misbehaviour(name, SUCCESS, deed=deed) for name, deed in _HARMLESS),
    *(Misbehaviour(name, UNLOADABLE, says, file=file) for name, says, file in _FILES),
    *(Misbehaviour(name, UNLOADABLE, says, load=load) for name, says, load in _LOADS),
    *(Misbehaviour(name, UNLOADABLE, says, declare=declare) for name, says, declare in _DECLARES),
    *_of_one_input(),
    Misbehaviour(
        "waiting never comes back",
        "model_timeout",
        "was not done in 1.5 s",
        deed="import asyncio; await asyncio.sleep(300)",
        predict=WAITING,
    ),
    *(
        Misbehaviour(name, UNLOADABLE, says, file=_with_signature(name, signature))
        for name, says, signature in _FILES_OF_ONE_INPUT
    ),
)

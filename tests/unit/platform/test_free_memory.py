"""What hashing passwords takes is given back; in a process of its own, for the bound is the process's."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import asyncio
from pathlib import Path
from ml_service.platform.free_memory import return_large_blocks
from ml_service.usecases.passwords import Passwords

def pages():
    return int(Path("/proc/self/statm").read_text().split()[1])

async def main():
    passwords = Passwords()
    await passwords.hash("a quiet green river")
    before = pages()
    await asyncio.gather(*(passwords.hash("a quiet green river") for _ in range(8)))
    print((pages() - before) * 4 // 1024)

return_large_blocks()
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Only glibc keeps it.")
def test_threads_that_have_hashed_passwords_keep_no_memory_for_it() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 10, "MiB; one hash takes 19"

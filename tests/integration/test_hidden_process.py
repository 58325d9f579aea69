"""A service's own process is closed to other programs of the same user, such as a model."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from engine.common.state import ROOT

# Root may read everything, so that as root both processes become another user. They are forks, without an exec: that
# user may not be allowed to run this Python.
LOOK = """
import ctypes, os, signal
from ml_service.platform.hidden_process import hide_process

def become_nobody():
    if os.getuid() == 0:
        os.setresuid(65534, 65534, 65534)
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE, which the change of user has taken away

def is_readable(is_hidden):
    read, write = os.pipe()
    secret = os.fork()
    if secret == 0:
        become_nobody()
        if is_hidden:
            hide_process()
        os.write(write, b"ready")
        signal.pause()
    os.read(read, 5)
    looker = os.fork()
    if looker == 0:
        become_nobody()
        try:
            os._exit(0 if b"SECRET=" in open(f"/proc/{secret}/environ", "rb").read() else 2)
        except PermissionError:
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(looker, 0)[1])
    os.kill(secret, 9)
    os.waitpid(secret, 0)
    return status

print(is_readable(False), is_readable(True))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
def test_its_environment_is_closed_to_programs_of_the_same_user() -> None:
    env = {"PATH": os.environ["PATH"], "SECRET": "a-secret-in-the-environment"}
    looked = subprocess.run([sys.executable, "-c", LOOK], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert looked.stdout.split() == ["0", "1"]  # read; then: permission denied

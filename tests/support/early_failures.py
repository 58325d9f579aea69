"""Says at once which test failed and why: a run that is ended from outside never prints its summary."""

from __future__ import annotations

import pytest

CHARACTERS_MAX = 2_000


class EarlyFailures:
    """A plugin of pytest for the process that reports: with xdist, the one that starts the workers."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Print the name and the last lines of the traceback."""
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and terminal is not None:
            reason = report.longreprtext[-CHARACTERS_MAX:]
            terminal.write_line(f"\n{report.when} of {report.nodeid} failed after {report.duration:.0f} s:\n{reason}")

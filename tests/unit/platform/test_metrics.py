"""The metrics of several processes of one host: one truth, that never falls."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from engine.common.state import ROOT
from ml_service.platform import metrics_files

COUNT = """
import sys
from prometheus_client import CollectorRegistry, Counter, Gauge
from ml_service.platform import metrics
metrics.share_metrics()
own = CollectorRegistry()
count = Counter("work", "Work done.", ("kind",), registry=own)
now = Gauge("now", "Work now.", registry=own, multiprocess_mode="livesum")
now.set(int(sys.argv[1]))
for _ in range(int(sys.argv[1])):
    count.labels("a").inc()
for kind in range(int(sys.argv[2])):
    count.labels("x" * 1000 + str(kind)).inc()
print(metrics.text_of(own).decode())
"""


def counted(environment: dict[str, str], times: int, labels: int = 0) -> dict[str, float]:
    """Let a process count; what it tells when asked."""
    known = {name: value for name, value in os.environ.items() if name != metrics_files.FOLDER}
    done = subprocess.run(
        [sys.executable, "-c", COUNT, str(times), str(labels)],
        cwd=ROOT,
        env={**known, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.rsplit(" ", 1) for line in done.stdout.splitlines() if line.startswith(("work_total", "now"))]
    return {name: float(value) for name, value in lines}


def test_each_process_tells_what_all_have_counted(tmp_path: Path) -> None:
    metrics_files.begin(tmp_path)
    counted(metrics_files.environment(tmp_path, "app-1"), 3)
    counted(metrics_files.environment(tmp_path, "worker-1"), 4)
    told = counted(metrics_files.environment(tmp_path, "app-2"), 5)
    assert told == {'work_total{kind="a"}': 12.0, "now": 12.0}


def test_a_process_that_is_started_again_goes_on_counting(tmp_path: Path) -> None:
    metrics_files.begin(tmp_path)
    app = metrics_files.environment(tmp_path, "app-1")
    counted(app, 3)
    files = sorted(tmp_path.iterdir())
    metrics_files.end(tmp_path, "app-1")
    assert counted(app, 4) == {'work_total{kind="a"}': 7.0, "now": 4.0}
    assert sorted(tmp_path.iterdir()) == files


def test_what_has_ended_counts_for_the_past_only(tmp_path: Path) -> None:
    metrics_files.begin(tmp_path)
    counted(metrics_files.environment(tmp_path, "app-1"), 3)
    metrics_files.end(tmp_path, "app-1")
    assert counted(metrics_files.environment(tmp_path, "app-2"), 4) == {'work_total{kind="a"}': 7.0, "now": 4.0}


def test_a_new_start_of_the_engine_begins_at_zero(tmp_path: Path) -> None:
    app = metrics_files.environment(tmp_path, "app-1")
    counted(app, 3)
    metrics_files.begin(tmp_path)
    assert counted(app, 4) == {'work_total{kind="a"}': 4.0, "now": 4.0}


def test_the_files_have_their_size_on_the_disk_before_they_are_mapped(tmp_path: Path) -> None:
    # A page that a full disk has no room for would end the process with SIGBUS.
    metrics_files.begin(tmp_path)
    metrics_files.allocate(tmp_path, "app-1")
    for file in tmp_path.iterdir():
        assert file.stat().st_blocks * 512 >= file.stat().st_size > 0
    assert counted(metrics_files.environment(tmp_path, "app-1"), 1, labels=1000)['work_total{kind="a"}'] == 1.0


def test_a_process_without_a_folder_counts_for_itself(tmp_path: Path) -> None:
    assert counted({}, 3) == {'work_total{kind="a"}': 3.0, "now": 3.0}
    assert counted({metrics_files.FOLDER: str(tmp_path)}, 3) == {'work_total{kind="a"}': 3.0, "now": 3.0}
    away = metrics_files.environment(tmp_path / "away", "app-1")
    assert counted(away, 3) == {'work_total{kind="a"}': 3.0, "now": 3.0}
    assert list(tmp_path.iterdir()) == []

"""The size of the benchmarks: full, or small enough to check that everything runs."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.place import Place
from engine.native.plan import app_processes_default


@dataclass(frozen=True, slots=True)
class Size:
    """Amounts and durations of one run.

    Attributes:
        rounds: Interleaved over the compared systems; medians are shown.
        apps: App processes of the service; 0: as many as `start.py` starts here.
    """

    rounds: int = 3
    apps: int = 0
    backlog: int = 20_000
    load_s: float = 10.0
    warm_up_s: float = 2.0
    warm_up_requests: int = 1_000
    latencies: int = 1_000
    batches: int = 20
    model_items: int = 4_000
    old_predictions: int = 5_000_000
    old_users: int = 100_000
    growth_requests: int = 10_000
    growth_rounds: int = 7
    memory_predictions: int = 1_000_000
    streams: int = 5_000
    bulk_lines: int = 200_000
    bulk_singles_s: float = 8.0
    webhooks: int = 1_000
    webhooks_s: float = 30.0


QUICK = Size(
    rounds=1,
    backlog=1_000,
    load_s=1.5,
    warm_up_s=0.5,
    warm_up_requests=100,
    latencies=50,
    batches=3,
    model_items=256,
    old_predictions=20_000,
    old_users=1_000,
    growth_requests=300,
    growth_rounds=1,
    memory_predictions=10_000,
    streams=200,
    bulk_lines=5_000,
    bulk_singles_s=0.5,
    webhooks=100,
    webhooks_s=3.0,
)


@dataclass(frozen=True, slots=True)
class Run:
    """The input of every benchmark.

    Attributes:
        place: The nodes.
        size: The amounts.
        only: Names of the systems to measure; empty: all.
    """

    place: Place
    size: Size
    only: frozenset[str] = frozenset()

    @property
    def apps(self) -> int:
        """How many app processes the service has."""
        return self.size.apps or app_processes_default()

    def wants(self, system: str) -> bool:
        """Whether to measure this system."""
        return not self.only or system.lower() in self.only

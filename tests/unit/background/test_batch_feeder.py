"""When the batch feeder looks again."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ml_service.background.batch_feeder import BatchFeeder


class Feeder(BatchFeeder):
    """Finds what it is told."""

    def __init__(self, news: Sequence[bool], pools: Sequence[str] = ("default",)) -> None:
        self.news = list(news)
        self.pools = list(pools)
        self.looks = 0

    async def _pools(self) -> list[str]:
        return self.pools

    async def _look(self, pools: Sequence[str]) -> bool:
        assert pools == self.pools
        self.looks += 1
        return self.news.pop(0)


@pytest.mark.parametrize(
    ("news", "looks"),
    [
        ([True, False, True, False, False, False, False, True], 7),
        ([False] * 5, 4),
    ],
)
async def test_a_batch_that_takes_longer_than_a_look_does_not_end_the_looks(news: list[bool], looks: int) -> None:
    feeder = Feeder(news)
    await feeder.feed()
    assert feeder.looks == looks


async def test_nothing_is_looked_at_where_nothing_waits() -> None:
    feeder = Feeder([], pools=())
    await feeder.feed()
    assert feeder.looks == 0

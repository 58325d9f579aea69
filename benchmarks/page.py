"""The page in a Chromium: bytes at first load, time until it can be used, memory while scrolling, work per event."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
import httpx2
from playwright.async_api import Browser, CDPSession, Page, async_playwright

from benchmarks import broker, past
from benchmarks.options import Run
from benchmarks.place import BenchmarkFailed
from benchmarks.report import Bar, Report, number
from benchmarks.service import service
from tests.support.browser import FLAGS, chromium

NAME, PASSWORD = "reader", "a quiet green river"
SLOWDOWN = 4
SCROLL_S = 10.0
EVENTS_PER_S = 50
READY = "main textarea"
_HEAP_PARTS = 5


@dataclass
class Figures:
    """What is measured."""

    first_load_bytes: dict[str, int] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)
    interactive_ms: dict[str, float] = field(default_factory=dict)
    heap_mib: list[float] = field(default_factory=list)
    nodes: list[int] = field(default_factory=list)
    rows: int = 0
    event_ms: float = 0.0


async def run(run: Run) -> Report:
    """Measure as a visitor and as somebody with a long past."""
    program = chromium()
    if program is None:
        raise BenchmarkFailed("There is no Chromium here: apt-get install chromium")
    await broker.delete_queues(run.place.amqp_url)
    found = Figures(rows=run.size.memory_predictions)
    async with run.place.database() as database, run.place.session(database) as session:
        await past.fill(session, run.size.memory_predictions, 1)
        async with service(run.place, database, apps=run.apps, workers=1) as running, async_playwright() as playwright:
            url = f"http://127.0.0.1:{running.port}"
            await _give_password(url, session)
            browser = await playwright.chromium.launch(executable_path=program, args=list(FLAGS))
            for path, is_signed_in in (("/", False), ("/app/predict", True)):
                await _first_loads(browser, url, path, found, rounds=run.size.rounds, is_signed_in=is_signed_in)
            await _scroll(browser, url, found)
            await _follow_events(browser, url, found)
            await browser.close()
    return _report(found)


async def _give_password(url: str, session: asyncpg.Connection[asyncpg.Record]) -> None:
    """Let the owner of the long past sign in."""
    async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
        answer = await client.post("/users", json={"username": NAME, "password": PASSWORD})
        answer.raise_for_status()
    await session.execute(
        "UPDATE users SET password_hash = (SELECT password_hash FROM users WHERE username_key = $1)"
        " WHERE username_key = 'old1'",
        NAME,
    )


@asynccontextmanager
async def _tab(browser: Browser, url: str, *, is_signed_in: bool) -> AsyncIterator[tuple[Page, CDPSession]]:
    """A tab of a new person, with nothing kept from before."""
    context = await browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US")
    page = await context.new_page()
    if is_signed_in:
        await page.goto(url + "/app/nowhere")
        status = await page.evaluate(
            """async (asked) => {
              localStorage.setItem("signed_in", "1");
              return (await fetch("/session", {
                method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(asked)
              })).status;
            }""",
            {"username": "old1", "password": PASSWORD},
        )
        if status != 200:  # noqa: PLR2004
            raise BenchmarkFailed(f"POST /session answered {status}")
    devtools = await context.new_cdp_session(page)
    await devtools.send("Network.enable")
    await devtools.send("Performance.enable")
    await devtools.send("Network.clearBrowserCache")
    yield page, devtools
    await context.close()


async def _first_loads(
    browser: Browser, url: str, path: str, found: Figures, *, rounds: int, is_signed_in: bool
) -> None:
    times = []
    for _ in range(max(3, rounds)):
        async with _tab(browser, url, is_signed_in=is_signed_in) as (page, devtools):
            sizes: list[int] = []
            devtools.on("Network.loadingFinished", lambda event, sizes=sizes: sizes.append(event["encodedDataLength"]))
            await devtools.send("Emulation.setCPUThrottlingRate", {"rate": SLOWDOWN})
            await page.goto(url + path, wait_until="commit")
            await page.wait_for_selector(READY)
            times.append(await page.evaluate("performance.now()"))
            await page.wait_for_load_state("networkidle") if not is_signed_in else await asyncio.sleep(2)
            found.first_load_bytes[path], found.requests[path] = int(sum(sizes)), len(sizes)
    found.interactive_ms[path] = statistics.median(times)


async def _heap(devtools: CDPSession) -> tuple[float, int]:
    """Mebibytes of live objects, and DOM nodes."""
    await devtools.send("HeapProfiler.collectGarbage")
    metrics = {one["name"]: one["value"] for one in (await devtools.send("Performance.getMetrics"))["metrics"]}
    return metrics["JSHeapUsedSize"] / 2**20, int(metrics["Nodes"])


async def _scroll(browser: Browser, url: str, found: Figures) -> None:
    async with _tab(browser, url, is_signed_in=True) as (page, devtools):
        await page.goto(url + "/app/history")
        await page.wait_for_selector(".vlist__row")
        await page.mouse.move(700, 500)
        for part in range(_HEAP_PARTS + 1):
            heap, nodes = await _heap(devtools)
            found.heap_mib.append(heap)
            found.nodes.append(nodes)
            end = asyncio.get_running_loop().time() + SCROLL_S / _HEAP_PARTS
            while part < _HEAP_PARTS and asyncio.get_running_loop().time() < end:
                await page.mouse.wheel(0, 3000)
                await asyncio.sleep(0.03)


async def _follow_events(browser: Browser, url: str, found: Figures) -> None:
    """Main-thread time for each prediction that ends while the page looks on."""
    asked = {"model": "echo", "input": {"text": "An event."}}
    form = {"username": "old1", "password": PASSWORD}
    async with _tab(browser, url, is_signed_in=True) as (page, devtools), httpx2.AsyncClient(base_url=url) as client:
        await page.goto(url + "/app/predict")
        await page.wait_for_selector(READY)
        await asyncio.sleep(2)
        token = (await client.post("/token", data=form)).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        idle = await _busy_s(devtools, SCROLL_S / 2)
        count = int(EVENTS_PER_S * SCROLL_S / 2)
        sending = asyncio.create_task(_send(client, asked, headers, count))
        busy = await _busy_s(devtools, SCROLL_S / 2)
        await sending
        found.event_ms = max(0.0, busy - idle) * 1000 / count


async def _send(client: httpx2.AsyncClient, asked: object, headers: dict[str, str], count: int) -> None:
    async with asyncio.TaskGroup() as tasks:
        for _ in range(count):
            tasks.create_task(client.post("/predictions/predict", json=asked, headers=headers))
            await asyncio.sleep(1 / EVENTS_PER_S)


async def _busy_s(devtools: CDPSession, seconds: float) -> float:
    async def busy() -> float:
        metrics = (await devtools.send("Performance.getMetrics"))["metrics"]
        return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))

    before = await busy()
    await asyncio.sleep(seconds)
    return await busy() - before


def _report(found: Figures) -> Report:
    rows = [
        [f"first load of {path}, kB over the wire", number(size / 1000), "150"]
        for path, size in found.first_load_bytes.items()
    ]
    rows += [
        [f"until {path} can be used, CPU slowed {SLOWDOWN}×, ms", number(value), "1,000"]
        for path, value in found.interactive_ms.items()
    ]
    rows += [
        [f"memory before {SCROLL_S:.0f} s of scrolling, MiB", number(found.heap_mib[0]), ""],
        ["memory after it, MiB", number(found.heap_mib[-1]), "flat"],
        ["DOM nodes before and after", f"{found.nodes[0]:,} · {found.nodes[-1]:,}", "flat"],
        [f"main-thread work for an event at {EVENTS_PER_S}/s, ms", number(found.event_ms), "16"],
    ]
    return Report(
        title=f"page: Chromium, a past of {found.rows:,} predictions",
        columns=["", "measured", "budget"],
        rows=rows,
        bars=[Bar(path, size / 1000, ours=True) for path, size in found.first_load_bytes.items()],
        unit="kB",
        notes=[
            f"{' and '.join(map(str, found.requests.values()))} requests at first load; nothing was kept from before."
        ],
        figures={
            "first_load_bytes": found.first_load_bytes,
            "requests": found.requests,
            "interactive_ms": found.interactive_ms,
            "heap_mib": found.heap_mib,
            "nodes": found.nodes,
            "event_ms": found.event_ms,
        },
    )

"""Celery: a pool of threads in each worker process (the fastest of its pools here), late acks, a quorum queue.

python -m benchmarks.peers.celery_peer work | publish | serve
"""

from __future__ import annotations

import json
import sys
import threading

import psycopg
from anyio import to_thread
from celery import Celery  # type: ignore[import-untyped]  # it has no types
from kombu import Exchange, Queue  # type: ignore[attr-defined]

from benchmarks.peers import RESULTS, TASKS
from benchmarks.peers.common import (
    FINISH,
    READ,
    THREADS,
    amqp_url,
    database_url,
    echo,
    endpoint,
    given_ids,
    psycopg_sql,
    serve_endpoint,
)

QUORUM = {"x-queue-type": "quorum"}


def _queue(name: str) -> Queue:
    exchange = Exchange(name)  # type: ignore[no-untyped-call]
    return Queue(name, exchange, routing_key=name, queue_arguments=QUORUM)  # type: ignore[no-untyped-call]


app = Celery("peer", broker=amqp_url())
app.conf.update(
    task_queues=[_queue(TASKS), _queue(RESULTS)],
    task_default_queue=TASKS,
    task_default_exchange=TASKS,
    task_default_routing_key=TASKS,
    task_acks_late=True,
    task_ignore_result=True,
    task_default_delivery_mode="persistent",
    worker_prefetch_multiplier=8,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    broker_pool_limit=THREADS * 2,
    broker_transport_options={"confirm_publish": True},
    broker_connection_retry_on_startup=True,
    worker_enable_remote_control=False,
    worker_detect_quorum_queues=True,
)
_read, _finish = psycopg_sql(READ), psycopg_sql(FINISH)
_own = threading.local()


def _session() -> psycopg.Connection:
    if not hasattr(_own, "session"):
        _own.session = psycopg.connect(database_url(), autocommit=True, prepare_threshold=1)
    session: psycopg.Connection = _own.session
    return session


@app.task(name="predict")  # type: ignore[untyped-decorator]
def predict(prediction_id: str) -> None:
    """Do one prediction."""
    session = _session()
    row = session.execute(_read, {"p1": prediction_id}).fetchone()
    if row is not None:
        output = json.dumps(echo(json.loads(row[0])))
        session.execute(_finish, {"p1": prediction_id, "p2": output})
        announce.apply_async((prediction_id,), queue=RESULTS)


@app.task(name="announce")  # type: ignore[untyped-decorator]
def announce(prediction_id: str) -> None:
    """Tell of a result; nobody consumes these here."""


def _send(prediction_id: str) -> None:
    predict.apply_async((prediction_id,), queue=TASKS)


async def _nothing() -> None:
    return


async def _send_in_thread(prediction_id: str) -> None:
    await to_thread.run_sync(_send, prediction_id)


def main() -> None:
    """Be the worker, the publisher or the app."""
    match sys.argv[1]:
        case "work":
            quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=error"]
            app.worker_main(["worker", f"--queues={TASKS}", "--pool=threads", f"--concurrency={THREADS}", *quiet])
        case "publish":
            app.conf.broker_transport_options = {}  # the backlog is only made ready, and counted afterwards
            with app.producer_pool.acquire(block=True) as producer:
                for prediction_id in given_ids():
                    predict.apply_async((prediction_id,), queue=TASKS, producer=producer)
        case "serve":
            serve_endpoint(endpoint(_send_in_thread, _nothing, _nothing))


if __name__ == "__main__":
    main()

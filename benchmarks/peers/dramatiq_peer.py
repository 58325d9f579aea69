"""Dramatiq: threads in each worker process, publisher confirms, a quorum queue.

python -m benchmarks.peers.dramatiq_peer work | publish | serve
"""

from __future__ import annotations

import json
import signal
import sys
import threading

import dramatiq
import psycopg
from anyio import to_thread
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.middleware import Retries, ShutdownNotifications, TimeLimit

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


class QuorumBroker(RabbitmqBroker):
    """Its queues are classic ones; here they must survive what the service's survive."""

    def _build_queue_arguments(self, queue_name: str) -> dict[str, object]:
        arguments: dict[str, object] = super()._build_queue_arguments(queue_name)  # type: ignore[no-untyped-call]
        return {**arguments, "x-queue-type": "quorum"}


broker = QuorumBroker(
    url=amqp_url(),
    confirm_delivery=sys.argv[1:] != ["publish"],
    middleware=[TimeLimit(), ShutdownNotifications(), Retries()],
)
dramatiq.set_broker(broker)
_read, _finish = psycopg_sql(READ), psycopg_sql(FINISH)
_own = threading.local()


def _session() -> psycopg.Connection:
    if not hasattr(_own, "session"):
        _own.session = psycopg.connect(database_url(), autocommit=True, prepare_threshold=1)
    session: psycopg.Connection = _own.session
    return session


@dramatiq.actor(queue_name=TASKS)
def predict(prediction_id: str) -> None:
    """Do one prediction."""
    session = _session()
    row = session.execute(_read, {"p1": prediction_id}).fetchone()
    if row is not None:
        output = json.dumps(echo(json.loads(row[0])))
        session.execute(_finish, {"p1": prediction_id, "p2": output})
        announce.send(prediction_id)


@dramatiq.actor(queue_name=RESULTS)
def announce(prediction_id: str) -> None:
    """Tell of a result; nobody consumes these here."""


def _work() -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    worker = dramatiq.Worker(broker, queues={TASKS}, worker_threads=THREADS)
    worker.start()
    stop.wait()
    worker.stop()


async def _nothing() -> None:
    return


async def _send(prediction_id: str) -> None:
    await to_thread.run_sync(predict.send, prediction_id)


def main() -> None:
    """Be the worker, the publisher or the app."""
    match sys.argv[1]:
        case "work":
            _work()
        case "publish":
            for prediction_id in given_ids():
                predict.send(prediction_id)
            broker.close()
        case "serve":
            serve_endpoint(endpoint(_send, _nothing, _nothing))


if __name__ == "__main__":
    main()

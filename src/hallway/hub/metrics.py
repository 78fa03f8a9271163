"""GET /metrics: the hub's metrics in the Prometheus text format.

The hot path only adds to plain numbers; prometheus-client formats them when the metrics are requested.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from hallway.core.model import UNANSWERED_STATES
from hallway.hub.workers.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from hallway.hub.stream import Feed
    from hallway.hub.workers.heartbeats import HeartbeatBatcher
    from hallway.hub.workers.notifier import Notifier
    from hallway.hub.workers.writer import Writer

BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4.encode()


class RequestMetrics:
    """Requests by operation: how many with which status, and how long they took."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, int], int] = {}
        self.buckets: dict[str, list[int]] = {}
        self.seconds: dict[str, float] = {}

    def observe(self, operation: str, status: int, seconds: float) -> None:
        key = (operation, status)
        self.requests[key] = self.requests.get(key, 0) + 1
        if operation not in self.buckets:
            self.buckets[operation] = [0] * (len(BUCKETS_S) + 1)
        self.buckets[operation][bisect_left(BUCKETS_S, seconds)] += 1
        self.seconds[operation] = self.seconds.get(operation, 0.0) + seconds


class HubCollector:
    """The hub's current metrics, collected at each request."""

    def __init__(
        self,
        meter: RequestMetrics,
        workers: dict[str, Reader | Writer | HeartbeatBatcher],
        wakes: Notifier,
        feed: Feed,
        open_requests: dict[str, int] | None,
    ) -> None:
        self._meter = meter
        self._workers = workers
        self._wakes = wakes
        self._feed = feed
        self._open_requests = open_requests

    def collect(self) -> Iterator[Metric]:
        yield self._requests()
        yield self._latencies()
        yield from self._batches()
        yield GaugeMetricFamily("hallway_streams", "Open event streams", value=self._feed.streams)
        yield self._unanswered()
        yield GaugeMetricFamily("hallway_waits", "Waits for news, streams included", value=self._wakes.waiting)

    def _unanswered(self) -> Metric:
        family = GaugeMetricFamily(
            "hallway_open_requests", "Requests between sessions that wait for an answer", labels=("state",)
        )
        if self._open_requests is not None:
            for state in UNANSWERED_STATES:
                family.add_metric((state,), self._open_requests.get(state, 0))
        return family

    def _requests(self) -> Metric:
        family = CounterMetricFamily("hallway_requests", "Requests answered", labels=("operation", "status"))
        for (operation, status), count in self._meter.requests.items():
            family.add_metric((operation, str(status)), count)
        return family

    def _latencies(self) -> Metric:
        family = HistogramMetricFamily("hallway_request_seconds", "From request to answer", labels=("operation",))
        for operation, counts in self._meter.buckets.items():
            below = 0
            buckets = []
            for edge, count in zip((*map(str, BUCKETS_S), "+Inf"), counts, strict=True):
                below += count
                buckets.append((edge, below))
            family.add_metric((operation,), buckets, self._meter.seconds[operation])
        return family

    def _batches(self) -> Iterator[Metric]:
        batches = sum(0 if isinstance(worker, Reader) else worker.batches for worker in self._workers.values())
        yield CounterMetricFamily("hallway_commits", "Batches of writes, one commit each", value=batches)
        jobs = CounterMetricFamily("hallway_jobs", "Operations run", labels=("worker",))
        queued = GaugeMetricFamily("hallway_queued", "Operations that wait for a worker", labels=("worker",))
        for name, worker in self._workers.items():
            jobs.add_metric((name,), worker.jobs)
            queued.add_metric((name,), worker.waiting)
        yield from (jobs, queued)


def render(collector: HubCollector) -> bytes:
    """Return all metrics as text."""
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry)

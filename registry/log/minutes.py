"""Latency histograms: requests by the power of two that their microseconds are below."""

from collections.abc import Sequence

SMALLEST = 64  # microseconds; the first bucket is for what is below, each further one for twice as much
BUCKETS = 20  # the last is for everything from 16.8 s on


def upper_bound(bucket: int) -> float:
    """Microseconds that requests of a bucket (from 0 on) are below; infinite for the last."""
    return SMALLEST * 2.0**bucket if bucket < BUCKETS - 1 else float("inf")


def percentile(latencies: Sequence[int], share: float) -> float | None:
    """Microseconds below which this share (0 to 1) of the requests is, within a factor of two; None without requests.

    Linear inside the bucket, so that two histograms with the same counts give the same figure.
    """
    total = sum(latencies)
    if not total:
        return None
    wanted, seen = share * total, 0
    for bucket, count in enumerate(latencies):
        if count and seen + count >= wanted:
            low = SMALLEST * 2.0 ** (bucket - 1) if bucket else 0.0
            high = upper_bound(bucket) if bucket < BUCKETS - 1 else 2 * low
            return low + (high - low) * (wanted - seen) / count
        seen += count
    return None

"""Acquisitions that have ended are not kept alive by those that follow them."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from asyncctx_trace import configure, traced
from asyncctx_trace.otel.live_acquisition import LiveAcquisition

from .test_spans import Manager


class Discarding(SpanExporter):
    """Keeps no spans, which refer to their acquisitions."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def alive(program: Any) -> int:
    """Run ``program`` and return how many acquisitions are alive when all have been processed."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(Discarding()))
    telemetry = configure(tracer_provider=provider)

    async def main() -> int:
        kept = await program()
        provider.force_flush()
        gc.collect()
        count = sum(type(each) is LiveAcquisition for each in gc.get_objects())
        for manager in kept:
            await manager.__aexit__(None, None, None)
        return count

    count = asyncio.run(main())
    telemetry.close()
    provider.shutdown()
    return count


def test_a_chain_of_overlapping_acquisitions_is_not_kept() -> None:
    """Each is entered in the body of the one before it, which then ends."""

    async def hand_over_hand() -> list[Any]:
        manager = traced(Manager(), name="link")
        await manager.__aenter__()
        for _ in range(50):
            following = traced(Manager(), name="link")
            await following.__aenter__()
            await manager.__aexit__(None, None, None)
            manager = following
        return [manager]

    assert alive(hand_over_hand) < 5


def test_a_chain_of_holders_is_not_kept() -> None:
    """A holder knows the last 128 that blocked it, but not what blocked these."""

    async def queue() -> list[Any]:
        lock = traced(asyncio.Lock(), name="lock")

        async def hold() -> None:
            async with lock:
                await asyncio.sleep(0)

        await asyncio.gather(*(hold() for _ in range(300)), lock.__aenter__())
        return [lock]

    assert alive(queue) < 128 + 5

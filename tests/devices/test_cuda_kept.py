"""Memory that stays from call to call, on the model of the driver."""

from __future__ import annotations

from typing import Any

from fake_streams import opened

from zkrun.errors import ResourceLimit

BYTES = 1 << 20


def test_what_is_kept_is_a_streams_own_until_it_is_gone() -> None:
    with opened() as setting:
        from zkrun.devices.cuda.functions.kept import kept_memory
        from zkrun.devices.cuda.streams.queue import Queue, ScratchMemory

        gpu: Any = setting.gpus[0]
        first, second = (Queue(gpu, ScratchMemory(gpu)) for _ in range(2))
        one, other = (kept_memory(gpu, queue, ("bases",), BYTES) for queue in (first, second))
        assert 0 != one != other != 0
        assert kept_memory(gpu, first, ("bases",), BYTES) == one
        assert kept_memory(gpu, first, ("others",), BYTES) not in (one, other, 0)
        for queue in (first, second):
            queue.close_queue()
        del first, queue
        third = Queue(gpu, ScratchMemory(gpu))
        assert kept_memory(gpu, third, ("bases",), BYTES) == one
        third.close_queue()


def test_where_no_memory_is_left_a_stream_does_not_ask_again() -> None:
    """It would wait for all that the GPU does, at each call."""
    with opened() as setting:
        from zkrun.devices.cuda.functions.kept import kept_memory
        from zkrun.devices.cuda.streams.queue import Queue, ScratchMemory

        gpu: Any = setting.gpus[0]
        queue, asked = Queue(gpu, ScratchMemory(gpu)), list[int]()
        allocate = gpu.pool.allocate

        def counted(nbytes: int, workspace: bool = True) -> int:
            asked.append(nbytes)
            if nbytes > BYTES:
                raise ResourceLimit("no memory is left")
            return int(allocate(nbytes, workspace))

        gpu.pool.allocate = counted
        for _ in range(3):
            assert kept_memory(gpu, queue, ("bases",), 2 * BYTES) == 0
            assert kept_memory(gpu, queue, ("fewer",), BYTES // 2) != 0
        assert asked == [2 * BYTES, BYTES // 2]
        queue.close_queue()

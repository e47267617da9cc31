"""Kernels in a row, given to the driver by one call: host/rows.cpp."""

from collections.abc import Callable, Collection, Sequence

from zkrun.devices.base import Function, Value
from zkrun.devices.cuda.streams.flights import Flight
from zkrun.devices.cuda.streams.queue import Queue
from zkrun.devices.cuda.streams.rows import Source, Steps, Values

class Driver:
    """The driver's functions, by their addresses."""

    def __init__(
        self,
        launch_kernel: int,
        create_graph: int,
        add_node: int,
        set_node: int,
        launch_graph: int,
        record_event: int,
        current_device: int,
    ) -> None: ...

class Kernels:
    """Kernels in order, which are given so many values."""

    def __init__(self, values: int) -> None: ...
    def add(
        self,
        function: int,
        x: int,
        y: int,
        threads: int,
        shared: int,
        arguments: bytes,
        starts: list[int],
        keeps: object,
    ) -> None:
        """Adds a kernel, whose arguments begin at these bytes."""

    def give(self, number: int, start: int, plus: int | None) -> None:
        """The kernel gets a value there: a view, or where `plus` is given, an address and so much.

        An address that is 0 stays 0. ValueError where there is no place for it, and IndexError
        where there is no such value.
        """

    def launch(self, driver: Driver, values: Values, stream: int) -> int:
        """Queues the kernels one by one. 0, or the number of the driver's error.

        TypeError, ValueError or OverflowError where the values are not what the kernels take.
        """

class Row:
    """A graph of as many kernels, for one stream at a time, and what its nodes hold.

    `graph` is the handle of what the executable one is to be made of; `status` is not 0 where there
    is none.
    """

    executable: int

    def __init__(self, driver: Driver, kernels: Kernels) -> None: ...
    @property
    def status(self) -> int: ...
    @property
    def graph(self) -> int: ...
    def queue(self, kernels: Kernels, values: Values, stream: int) -> int:
        """Queues as many kernels as there are nodes. 0, or the number of the driver's error.

        TypeError, ValueError or OverflowError where the values are not what the kernels take.
        """

class Launch:
    """Queues kernels whenever it is called, with values that come from the sources.

    Where the queue has no graph ready for so many, `steps` is asked to queue them. `check` is
    called with the number of an error of the driver's.
    """

    def __init__(
        self,
        steps: Steps,
        kernels: Kernels,
        length: int,
        check: Callable[[int], None],
        sources: Sequence[Source],
    ) -> None:
        """ValueError where there is not a source for each value."""

    def __call__(self, queue: Queue, mutable: Sequence[Value], immutable: Sequence[Value]) -> None:
        """IndexError where an operand is missing, else as `Row.queue`."""

class Bound:
    """A function of a program on its device, and what it launches where it runs on a stream."""

    def __init__(self, launch: Launch, function: Function) -> None: ...
    def __call__(self, mutable: Sequence[Value], immutable: Sequence[Value]) -> None:
        """Calls `function`."""

class Direct:
    """What a stream queues bound functions by, with no Python in between, while it `is_open`.

    `acquire` and `release` are those of the lock that guards what is queued; `waiting` has what is
    to be queued before. `ready` has graphs by the length of their rows. `take` gives an event, and
    `fly` takes the `flight` that is made of what was queued.
    """

    is_open: bool

    def __init__(
        self,
        device: int,
        stream: int,
        acquire: Callable[[], bool],
        release: Callable[[], None],
        waiting: Collection[object],
        ready: dict[int, Row],
        take: Callable[[], int],
        flight: Callable[[str, int, int, int, None, tuple[()]], Flight],
        fly: Callable[[Flight], None],
    ) -> None: ...
    def submit(
        self, queue: Queue, at: int, work: Callable[..., None], operands: tuple[object, ...]
    ) -> bool:
        """Whether it could queue the work: else nothing has been done.

        Raises what the work has failed with.
        """

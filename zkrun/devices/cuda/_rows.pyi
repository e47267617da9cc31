"""Kernels in a row, given to the driver by one call: host/rows.cpp."""

from zkrun.devices.cuda.streams.rows import Values

class Driver:
    """The driver's functions, by their addresses."""

    def __init__(
        self,
        launch_kernel: int,
        create_graph: int,
        add_node: int,
        set_node: int,
        launch_graph: int,
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

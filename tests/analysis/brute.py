"""What the analysis should say of a small program, found the slow way and without any of its code.

The program is run once, streams as early as they can and the last forked thread first (the analysis
does the opposite of both). Every instruction and every queued execution becomes a node of a graph,
with the set of all nodes before it; bytes and elements are bits of an integer. Then all pairs of
accesses are compared. Where threads share streams, all orders of their queues are tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from zkrun.program import types
from zkrun.program.document import Program
from zkrun.program.functions.registry import signature
from zkrun.program.signature import match

__all__ = ["Pair", "Unsafe", "orders"]

Pair = tuple[str, str, str]


class Unsafe(Exception):
    """Some run of the program goes wrong."""


@dataclass(eq=False)
class Memory:
    key: str  # by the instruction that made it
    device: str
    whole: int
    item: int
    owner: int
    offset: int | None = None
    written: int = 0
    read_only: bool = False
    freed: int | None = None  # the node of the Deallocate
    gone: bool = False
    stream: list[tuple[Any, ...]] | None = None


@dataclass(eq=False)
class View:
    memory: Memory
    offset: int
    length: int

    def elements(self, start: int = 0, end: int | None = None) -> int:
        """The elements of the view as bits of the whole."""
        whole, bits = self.memory.whole, 0
        first, length = self.offset + start, (self.length if end is None else end) - start
        if length:
            bits = ((1 << length) - 1) << (first % whole)
            bits = (bits | bits >> whole) & ((1 << whole) - 1)
        return bits


@dataclass(eq=False)
class Tuple:
    items: list[Any]


@dataclass(eq=False)
class Thread:
    body: list[Any]
    last: int
    at: int = 0
    id: int | None = None
    fork: int = -1
    joined: bool = False


@dataclass(eq=False)
class Run:
    program: Program
    before: list[int] = field(default_factory=list)  # per node, bits of those before, and itself
    tags: list[str] = field(default_factory=list)
    accesses: dict[str, list[tuple[int, bool, int]]] = field(default_factory=dict)
    must: list[tuple[int, int]] = field(default_factory=list)
    variables: dict[int, Any] = field(default_factory=dict)
    binders: dict[int, int] = field(default_factory=dict)
    threads: list[Thread] = field(default_factory=list)
    streams: list[Memory] = field(default_factory=list)
    passed: dict[Memory, list[tuple[int, int]]] = field(default_factory=dict)  # (issue, execution)
    recorded: dict[int, int] = field(default_factory=dict)  # event: node
    pending: set[int] = field(default_factory=set)
    arenas: dict[str, list[Memory]] = field(default_factory=dict)
    tables: dict[tuple[str, int], View] = field(default_factory=dict)
    result: Any = None

    # The graph

    def node(self, tag: str, *earlier: int) -> int:
        bits = 1 << len(self.before)
        for one in earlier:
            bits |= self.before[one]
        self.before.append(bits)
        self.tags.append(tag)
        return len(self.before) - 1

    def ordered(self, a: int, b: int) -> bool:
        return bool(self.before[b] >> a & 1)

    def access(self, space: str, node: int, writes: bool, bits: int) -> None:
        if bits:
            self.accesses.setdefault(space, []).append((node, writes, bits))

    def touch(self, view: View, node: int, writes: bool, start: int = 0, end: Any = None) -> None:
        memory, bits = view.memory, view.elements(start, end)
        if memory.gone and bits:
            raise Unsafe("touched after it was freed")
        if memory.read_only:
            return
        if writes:
            memory.written |= bits
        elif bits & ~memory.written:
            raise Unsafe("never written")
        if memory.offset is None or not memory.item:
            self.access(f"memory {memory.key}", node, writes, bits)
            return
        self.access(f"arena {memory.device}", node, writes, spread(memory, bits))

    # The walk

    def run(self) -> None:
        self.threads.append(Thread(self.program.instructions, self.node("start")))
        progress = True
        while progress:
            moved = [self.step(thread) for thread in reversed(self.threads)]
            moved += [self.drain(stream) for stream in self.streams]
            progress = any(moved)
        if any(thread.at < len(thread.body) for thread in self.threads):
            raise Unsafe("a thread never goes on")
        if any(stream.stream for stream in self.streams):
            raise Unsafe("a stream never goes on")
        for view in leaves(self.result):
            if view.memory.freed is not None:
                raise Unsafe("the result is freed")
            if view.elements() & ~view.memory.written and not view.memory.read_only:
                raise Unsafe("the result is never written")

    def step(self, thread: Thread) -> bool:
        """Runs one instruction, unless it has to wait."""
        if thread.at >= len(thread.body):
            return False
        i = thread.body[thread.at]
        if i.op == "Wait" and i.stream is None and i.event not in self.recorded:
            return False
        earlier = [thread.last]
        if i.op == "Join":
            child = next((one for one in self.threads if one.id == i.thread), None)
            if child is None:
                raise Unsafe("joined before the fork")
            if child.at < len(child.body):
                return False
            if child.joined:
                raise Unsafe("joined twice")
            child.joined = True
            earlier.append(child.last)
            self.must.append((child.fork, thread.last))
        if i.op == "Wait" and i.stream is None:
            earlier.append(self.recorded[i.event])
        node = self.node(i.source or "", *earlier)
        thread.last = node
        thread.at += 1
        getattr(self, i.op)(i, node)
        return True

    def drain(self, stream: Memory) -> bool:
        """Lets a stream do what it can."""
        queue, moved = stream.stream, False
        assert queue is not None
        while queue:
            kind, issue, tag, what = queue[0]
            if kind == "wait" and what not in self.recorded:
                break
            queue.pop(0)
            moved = True
            passed = self.passed.setdefault(stream, [])
            earlier = [ran for issued, ran in passed if self.ordered(issued, issue)]
            if kind == "wait":
                earlier.append(self.recorded[what])
            node = self.node(tag, issue, *earlier)
            passed.append((issue, node))
            if kind == "record":
                self.recorded[what] = node
            elif kind == "work":
                self.work(node, *what)
            elif kind == "free":
                self.give_back(node, what)
        return moved

    def work(self, node: int, reads: list[Any], writes: list[Any]) -> None:
        for part in reads:
            self.touch(part[0], node, False, *part[1:])
        for part in writes:
            self.touch(part[0], node, True, *part[1:])

    def give_back(self, node: int, memory: Memory) -> None:
        memory.gone = True
        self.access(f"memory {memory.key}", node, True, (1 << memory.whole) - 1)

    def do(self, i: Any, node: int, stream: Any, reads: list[Any], writes: list[Any]) -> None:
        if stream is None:
            self.work(node, reads, writes)
        else:
            self.queue(stream, "work", node, i, (reads, writes))

    def queue(self, id: int, kind: str, node: int, i: Any, what: Any) -> None:
        stream = self.use(id, node).memory.stream
        stream.append((kind, node, i.source or "", what))

    # Variables

    def use(self, id: int, node: int, alive: bool = True) -> Any:
        if id not in self.variables:
            raise Unsafe(f"variable {id} is not bound")
        bound = self.variables[id]
        self.access(f"variable {id}", node, False, 1)
        for view in leaves(bound) if alive else ():
            if view.memory.freed is not None:
                raise Unsafe(f"variable {id} is dead")
            self.access(f"life of {view.memory.key}", node, False, 1)
        return bound

    def bind(self, id: int, bound: Any, node: int) -> None:
        if id in self.variables:
            freed = [v.memory.freed for v in leaves(self.variables[id])]
            dead = [one for one in freed if one is not None]
            if not dead:
                raise Unsafe(f"variable {id} is bound")
            if not any(self.ordered(one, node) for one in dead):
                raise Unsafe(f"variable {id} may be bound")
        self.variables[id] = bound
        self.access(f"variable {id}", node, True, 1)

    def unbind(self, id: int, node: int) -> None:
        del self.variables[id]
        self.access(f"variable {id}", node, True, 1)

    # Instructions

    def Allocate(self, i: Any, node: int) -> None:  # noqa: N802  # named as the op
        item = types.element_size(i.typ, self.program.curve_record)
        memory = Memory(i.source, i.device, types.length(i.typ), item, i.id, i.offset)
        if isinstance(i.typ, types.Stream):
            memory.stream = []
            self.streams.append(memory)
        if isinstance(i.typ, types.Transcript):
            memory.written = 1
        self.bind(i.id, View(memory, 0, memory.whole), node)
        if i.offset is not None and memory.item and memory.whole:
            taken = spread(memory, (1 << memory.whole) - 1)
            for other in self.arenas.setdefault(i.device, []):
                shared = spread(other, (1 << other.whole) - 1) & taken
                if shared and other.freed is None:
                    raise Unsafe("two live allocations share bytes")
                if shared and other.freed is not None:
                    self.must.append((other.freed, node))
            self.arenas[i.device].append(memory)

    def Deallocate(self, i: Any, node: int) -> None:  # noqa: N802  # named as the op
        bound = self.use(i.id, node)
        if isinstance(bound, Tuple) or bound.memory.read_only or bound.memory.owner != i.id:
            raise Unsafe("not the owner")
        memory = bound.memory
        pool = memory.offset is None and memory.stream is None
        if i.stream is not None:
            self.use(i.stream, node)
            if pool:
                self.queue(i.stream, "free", node, i, memory)
        elif pool:
            self.give_back(node, memory)
        memory.freed = node
        memory.owner = -1
        self.access(f"life of {memory.key}", node, True, 1)
        self.unbind(i.id, node)

    def RemoveRegister(self, i: Any, node: int) -> None:  # noqa: N802  # named as the op
        bound = self.use(i.id, node, alive=False)
        if isinstance(bound, View) and bound.memory.owner == i.id:
            bound.memory.owner = -1
        self.unbind(i.id, node)

    def MoveRegister(self, i: Any, node: int) -> None:  # noqa: N802  # named as the op
        bound = self.use(i.src, node)
        self.bind(i.dst, bound, node)
        if isinstance(bound, View) and bound.memory.owner == i.src:
            bound.memory.owner = i.dst
        self.unbind(i.src, node)

    def CopyRegister(self, i: Any, node: int) -> None:  # noqa: N802  # named as the op
        self.bind(i.dst, self.use(i.src, node), node)

    def AssembleTuple(self, i: Any, node: int) -> None:  # noqa: N802  # named as the op
        self.bind(i.dst, Tuple([self.use(id, node) for id in i.vars]), node)

    def LoadConstant(self, i: Any, node: int) -> None:  # noqa: N802  # named as the op
        self.load(i, node, "constant", self.program.constants[i.src].device)

    def LoadInput(self, i: Any, node: int) -> None:  # noqa: N802  # named as the op
        self.load(i, node, "input", "cpu")

    def load(self, i: Any, node: int, table: str, device: str) -> None:
        entries: Any = self.program.constants if table == "constant" else self.program.inputs
        if (table, i.src) not in self.tables:
            whole = types.length(entries[i.src].typ)
            memory = Memory(f"{table} {i.src}", device, whole, 0, -1, read_only=True)
            self.tables[table, i.src] = View(memory, 0, whole)
        self.bind(i.dst, self.tables[table, i.src], node)

    def Rotation(self, i: Any, node: int) -> None:  # noqa: N802  # named as the op
        src = self.use(i.src, node)
        whole = src.memory.whole
        offset = (src.offset - i.shift) % whole if whole else 0
        self.bind(i.dst, View(src.memory, offset, whole), node)

    def Slice(self, i: Any, node: int) -> None:  # noqa: N802  # named as the op
        src = self.use(i.src, node)
        self.bind(i.dst, View(src.memory, src.offset + i.start, i.end - i.start), node)

    def SetSliceMeta(self, i: Any, node: int) -> None:  # noqa: N802  # named as the op
        self.bind(i.dst, View(self.use(i.src, node).memory, i.offset, i.len), node)

    def SliceBuffer(self, i: Any, node: int) -> None:  # noqa: N802  # named as the op
        src = self.use(i.src, node)
        self.bind(i.dst, View(src.memory, src.offset + i.offset, i.len), node)

    def Transfer(self, i: Any, node: int) -> None:  # noqa: N802  # named as the op
        src, dst = self.use(i.src_id, node), self.use(i.dst_id, node)
        self.do(i, node, i.stream, [(src,)], [(dst,)])

    def GetScalarFromArray(self, i: Any, node: int) -> None:  # noqa: N802  # named as the op
        src, dst = self.use(i.src, node), self.use(i.dst, node)
        self.do(i, node, i.stream, [(src, i.idx, i.idx + 1)], [(dst,)])

    def Blind(self, i: Any, node: int) -> None:  # noqa: N802  # named as the op
        self.do(i, node, None, [], [(self.use(i.dst, node), i.start, i.end)])

    def FuncCall(self, i: Any, node: int) -> None:  # noqa: N802  # named as the op
        written = [self.use(id, node) for id in i.arg_mut]
        read = [self.use(id, node) for id in i.arg]
        stream = None
        if read and read[-1].memory.stream is not None:
            stream = i.arg[-1]
            read.pop()
        function = signature(self.program.functions[i.func_id].name)
        assert function is not None
        effects = match(function.mutable, len(written)) or match(function.mutable, len(written) - 1)
        assert effects is not None
        updated = [  # a buffer behind them is only written
            (view,)
            for view, argument in zip(written, effects, strict=False)
            if argument.effect == "updates" and argument.kinds != ("GpuBuffer",)
        ]
        self.do(
            i, node, stream, [*updated, *((view,) for view in read)], [(view,) for view in written]
        )

    def Print(self, i: Any, node: int) -> None:  # noqa: N802  # named as the op
        self.do(i, node, None, [(view,) for view in leaves(self.use(i.id, node))], [])

    def AssertEq(self, i: Any, node: int) -> None:  # noqa: N802  # named as the op
        shown = [*leaves(self.use(i.value, node)), *leaves(self.use(i.expected, node))]
        self.do(i, node, None, [(view,) for view in shown], [])

    def Return(self, i: Any, node: int) -> None:  # noqa: N802  # named as the op
        self.result = self.use(i.id, node)

    def Record(self, i: Any, node: int) -> None:  # noqa: N802  # named as the op
        if i.event in self.pending:
            raise Unsafe("recorded twice")
        self.pending.add(i.event)
        if i.stream is None:
            self.recorded[i.event] = node
        else:
            self.queue(i.stream, "record", node, i, i.event)

    def Wait(self, i: Any, node: int) -> None:  # noqa: N802  # named as the op
        if i.stream is not None:
            self.queue(i.stream, "wait", node, i, i.event)

    def Fork(self, i: Any, node: int) -> None:  # noqa: N802  # named as the op
        if any(thread.id == i.new_thread for thread in self.threads):
            raise Unsafe("forked twice")
        self.threads.append(Thread(i.instructions, node, 0, i.new_thread, node))

    def Join(self, i: Any, node: int) -> None:  # noqa: N802  # named as the op
        pass

    # The verdict

    def pairs(self) -> Iterator[tuple[str, int, int]]:
        """All pairs of different nodes that touch the same, one of them writing."""
        for space, accesses in self.accesses.items():
            for at, (b, b_writes, b_bits) in enumerate(accesses):
                for a, a_writes, a_bits in accesses[:at]:
                    if (a_writes or b_writes) and a_bits & b_bits and a != b:
                        yield space, a, b


def orders(program: Program) -> dict[Pair, bool]:
    """For each pair of accesses that conflict: whether the first comes first.

    A pair is (space, `source` of the one, `source` of the other), the two in the order of text.
    Raises Unsafe where some order of the program goes wrong.
    """
    run = Run(program)
    run.run()
    for a, b in run.must:
        if not run.ordered(a, b):
            raise Unsafe(f"{run.tags[a]} and {run.tags[b]} are not ordered")
    found: dict[Pair, bool] = {}
    for space, a, b in run.pairs():
        if not run.ordered(a, b):
            raise Unsafe(f"{run.tags[a]} and {run.tags[b]} race for {space}")
        one, other = run.tags[a], run.tags[b]
        found[space, min(one, other), max(one, other)] = one <= other
    if _stuck_somewhere(program, run):
        raise Unsafe("a queue may get stuck")
    return found


def leaves(bound: Any) -> list[View]:
    if bound is None or isinstance(bound, View):
        return [bound] if bound else []
    return [leaf for item in bound.items for leaf in leaves(item)]


def spread(memory: Memory, bits: int) -> int:
    """Elements as 32-byte units of the arena: all that these tests place there is made of those."""
    assert memory.offset is not None
    assert memory.item * memory.whole % 32 == 0
    found = at = 0
    while bits >> at:  # run by run
        rest = bits >> at
        start = at + (rest & -rest).bit_length() - 1
        ones = ~(bits >> start)
        at = start + (ones & -ones).bit_length() - 1
        first, end = start * memory.item // 32, -(-at * memory.item // 32)
        found |= ((1 << end - first) - 1) << (memory.offset // 32 + first)
    return found


# All orders of shared queues


def _stuck_somewhere(program: Program, run: Run) -> bool:
    """Tries all orders in which threads can queue on streams that they share."""
    skeleton = [_skeleton(program.instructions)]
    users: dict[int, set[int]] = {}
    for body in _bodies(skeleton[0]):
        for step in body:
            if step[0] in ("queue wait", "queue record"):
                users.setdefault(step[1], set()).add(id(body))
    shared = {stream for stream, bodies in users.items() if len(bodies) > 1}
    if not shared or len(run.before) > 400:
        return False
    start = ((skeleton[0], 0),), (), (), frozenset()
    seen, rest = set(), [_settle(start, shared)]
    while rest:
        state = rest.pop()
        key = (tuple((id(body), at) for body, at in state[0]), state[1])
        if key in seen:
            continue
        seen.add(key)
        assert len(seen) < 20_000
        choices = [n for n, (body, at) in enumerate(state[0]) if at < len(body)]
        ready = [n for n in choices if state[0][n][0][state[0][n][1]][0].startswith("queue")]
        if not ready and (choices or any(queue for _, queue in state[1])):
            return True
        rest += [_settle(_take(state, n), shared) for n in ready]
    return False


Step = tuple[Any, ...]


def _skeleton(body: Any) -> list[Step]:
    steps: list[Step] = []
    for i in body:
        if i.op == "Fork":
            steps.append(("fork", i.new_thread, _skeleton(i.instructions)))
        elif i.op == "Join":
            steps.append(("join", i.thread))
        elif i.op in ("Record", "Wait"):
            kind = i.op.lower()
            queue = i.stream is not None
            steps.append((f"queue {kind}", i.stream, i.event) if queue else (kind, i.event))
    return steps


def _bodies(body: list[Step]) -> Iterator[list[Step]]:
    yield body
    for step in body:
        if step[0] == "fork":
            yield from _bodies(step[2])


def _take(state: Any, n: int) -> Any:
    """One thread queues its next Record or Wait."""
    threads, queues, ids, done = state
    body, at = threads[n]
    kind, stream, event = body[at]
    threads = (*threads[:n], (body, at + 1), *threads[n + 1 :])
    content = dict(queues)
    content[stream] = (*content.get(stream, ()), (kind, event))
    return threads, tuple(sorted(content.items())), ids, done


def _settle(state: Any, shared: set[int]) -> Any:
    """Does everything whose order does not matter."""
    threads, queues, ids, done = state
    threads, content, known, events = list(threads), dict(queues), dict(ids), set(done)
    moved = True
    while moved:
        moved = False
        for stream, queue in list(content.items()):
            while queue and (queue[0][0] == "queue record" or queue[0][1] in events):
                if queue[0][0] == "queue record":
                    events.add(queue[0][1])
                queue, moved = queue[1:], True
            content[stream] = queue
        for n, (body, at) in enumerate(threads):
            if at >= len(body):
                continue
            step = body[at]
            if step[0] == "fork":
                known[step[1]] = len(threads)
                threads.append((step[2], 0))
            elif step[0] == "record":
                events.add(step[1])
            elif step[0] == "wait":
                if step[1] not in events:
                    continue
            elif step[0] == "join":
                child = threads[known[step[1]]]
                if child[1] < len(child[0]):
                    continue
            elif step[1] in shared:
                continue
            else:
                content[step[1]] = (*content.get(step[1], ()), (step[0], step[2]))
            threads[n] = (body, at + 1)
            moved = True
    return (
        tuple(threads),
        tuple(sorted(content.items())),
        tuple(sorted(known.items())),
        frozenset(events),
    )

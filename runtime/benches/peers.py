"""CPython's own context managers: what they cost, and what they do.

Run by the benches. `costs` and `quick` print a name, the name of the Rust row beside it, and nanoseconds; `behaviour` prints rows of a table.
The same work as in Rust: something is acquired, worked with and released, all three next to nothing.
"""

import asyncio
import platform
import statistics
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager

PYTHON = f"CPython {platform.python_version()}"


async def acquire():
    return 1


async def work(number):
    return number + 1


async def release(number):
    pass


async def suspend():
    await asyncio.sleep(0)


async def acquire_suspending():
    await suspend()
    return 1


async def work_suspending(number):
    await suspend()
    return number + 1


async def release_suspending(number):
    await suspend()


READY = (acquire, work, release)
SUSPENDING = (acquire_suspending, work_suspending, release_suspending)


async def inline(acquire, work, release):
    number = await acquire()
    try:
        return await work(number)
    finally:
        await release(number)


@asynccontextmanager
async def function(acquire, release):
    number = await acquire()
    try:
        yield number
    finally:
        await release(number)


async def in_function(acquire, work, release):
    async with function(acquire, release) as number:
        return await work(number)


class Class:
    def __init__(self, acquire, release):
        self.acquire = acquire
        self.release = release

    async def __aenter__(self):
        self.number = await self.acquire()
        return self.number

    async def __aexit__(self, kind, error, traceback):
        await self.release(self.number)


async def in_class(acquire, work, release):
    async with Class(acquire, release) as number:
        return await work(number)


async def in_stack(acquire, work, release):
    async with AsyncExitStack() as stack:
        number = await stack.enter_async_context(function(acquire, release))
        return await work(number)


async def in_timeout(acquire, work, release):
    async with asyncio.timeout(3600):
        return await inline(acquire, work, release)


ENTRIES = 100


async def entries():
    async with AsyncExitStack() as stack:
        for _ in range(ENTRIES):
            await stack.enter_async_context(function(acquire, release))


async def callbacks():
    async with AsyncExitStack() as stack:
        for at in range(ENTRIES):
            stack.callback(int, at)


def rows():
    """Name, Rust's name, what to do, how many parts it has."""
    return [
        (f"{PYTHON} inline", "by hand, inline", lambda: inline(*READY), 1),
        (f"{PYTHON} `@asynccontextmanager`", "`with`, `spawn`", lambda: in_function(*READY), 1),
        (f"{PYTHON} class with `__aenter__`", "`with`, `spawn`", lambda: in_class(*READY), 1),
        (f"{PYTHON} inline, suspending", "by hand, inline, suspending", lambda: inline(*SUSPENDING), 1),
        (f"{PYTHON} `@asynccontextmanager`, suspending", "`with`, `spawn`, suspending", lambda: in_function(*SUSPENDING), 1),
        (f"{PYTHON} class with `__aenter__`, suspending", "`with`, `spawn`, suspending", lambda: in_class(*SUSPENDING), 1),
        (f"{PYTHON} an entry of an `AsyncExitStack`", "an entry of an `ExitStack`", entries, ENTRIES),
        (f"{PYTHON} a callback of an `AsyncExitStack`", "a callback of an `ExitStack`", callbacks, ENTRIES),
        (f"{PYTHON} `asyncio.timeout`", "`timeout(…).with`", lambda: in_timeout(*READY), 1),
    ]


async def costs(turns, seconds):
    clock = time.perf_counter
    measured = []
    for name, beside, call, parts in rows():
        times = 1
        while True:
            start = clock()
            for _ in range(times):
                await call()
            if clock() - start >= seconds / 2:
                break
            times *= 2
        measured.append((name, beside, call, parts, times, []))
    for _ in range(turns):
        for name, beside, call, parts, times, figures in measured:
            start = clock()
            for _ in range(times):
                await call()
            figures.append((clock() - start) / (times * parts))
    for name, beside, call, parts, times, figures in measured:
        print(name, beside, statistics.median(figures) * 1e9, sep="\t")


# ---- What they do.


class Panic(BaseException):
    """The nearest to a panic: what no `except Exception` catches."""


class Notes:
    def __init__(self, body):
        self.body = body
        self.reached = asyncio.Event()
        self.under_way = asyncio.Event()
        self.over = False

    async def acquire(self):
        await suspend()
        return 1

    async def work(self, number):
        self.reached.set()
        if self.body == "fails":
            raise ValueError(7)
        if self.body == "panics":
            raise Panic
        if self.body == "hangs":
            await asyncio.Event().wait()
        return 2

    async def release(self, number):
        self.under_way.set()
        await asyncio.sleep(0.01)
        self.over = True


async def became(notes):
    await asyncio.sleep(0.1)
    if notes.over:
        return "background"
    return "cut off" if notes.under_way.is_set() else "lost"


async def ended(way, body):
    notes = Notes(body)
    try:
        await way(notes.acquire, notes.work, notes.release)
    except (ValueError, Panic):
        pass
    return "awaited" if notes.over else await became(notes)


async def cancelled(way, body, until):
    notes = Notes(body)
    task = asyncio.ensure_future(way(notes.acquire, notes.work, notes.release))
    await until(notes).wait()
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass
    return "awaited" if notes.over else await became(notes)


async def behaviour():
    for name, way in [
        ("`@asynccontextmanager`", in_function),
        ("class with `__aenter__`", in_class),
        ("`AsyncExitStack`", in_stack),
    ]:
        print(
            f"{PYTHON} {name}",
            await ended(way, "succeeds"),
            await ended(way, "fails"),
            await ended(way, "panics"),
            await cancelled(way, "hangs", lambda notes: notes.reached),
            await cancelled(way, "succeeds", lambda notes: notes.under_way),
            sep="\t",
        )


match sys.argv[1]:
    case "costs":
        asyncio.run(costs(21, 0.02))
    case "quick":
        asyncio.run(costs(3, 0.005))
    case "behaviour":
        asyncio.run(behaviour())

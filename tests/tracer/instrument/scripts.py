"""Scripts that print what a program can observe of its enters and exits."""

from __future__ import annotations

__all__ = ["MANAGER", "SCRIPTS"]

MANAGER = """
import asyncio, contextlib, contextvars, gc, inspect, pickle, sys, traceback, warnings, weakref

class M:
    def __init__(self, name="m", enter=None, exit=None, result=None):
        self.name, self.enter, self.exit, self.result = name, enter, exit, result
    async def __aenter__(self):
        await asyncio.sleep(0)
        if self.enter: raise self.enter
        return self.name
    async def __aexit__(self, *exc):
        print(self.name, "exit", exc[0], exc[1], [f.lineno for f in traceback.extract_tb(exc[2])])
        await asyncio.sleep(0)
        if self.exit: raise self.exit
        return self.result
"""

SCRIPTS: dict[str, tuple[str, int | None]] = {
    "a traceback through enter, body and exit": (
        """
        async def main():
            for make in (
                lambda: M(enter=ValueError("enter")),
                lambda: M(exit=KeyError("exit")),
                lambda: M(result=True),
                lambda: M(result=[]),
            ):
                try:
                    async with M("outer"), make() as value:
                        1 / 0
                except Exception:
                    traceback.print_exc()
            async with (M("last")
                        as last):
                raise RuntimeError("to the top")
        asyncio.run(main())
        """,
        9,
    ),
    "what is no manager": (
        """
        class Half:
            async def __aenter__(self): print("must not run")
        class Other:
            async def __aexit__(self, *exc): print("must not run")
        class Instance: pass
        async def main():
            instance = Instance()
            instance.__aenter__ = instance.__aexit__ = lambda *a: None
            for thing in (42, Half(), Other(), instance, open(__file__), M):
                try:
                    async with thing: pass
                except Exception:
                    traceback.print_exc()
            async with contextlib.AsyncExitStack() as stack:
                try: await stack.enter_async_context(Half())
                except Exception: traceback.print_exc()
        asyncio.run(main())
        """,
        1,
    ),
    "a manager whose methods are plain functions": (
        """
        class Plain:
            def __init__(self, what): self.what = what
            def __aenter__(self):
                print([f.name for f in traceback.extract_stack()])
                print(sys._getframe(1).f_code.co_name, sys._getframe(1).f_lineno)
                warnings.warn("look up", stacklevel=2)
                if self.what == "stop": raise StopIteration("stop")
                if self.what == "int": return 42
                return asyncio.sleep(0, "value")
            def __aexit__(self, *exc):
                print(sys._getframe(1).f_code.co_name, sys._getframe(1).f_lineno)
                warnings.warn("look up", stacklevel=2)
                return asyncio.sleep(0)
        async def main(what):
            async with Plain(what) as value:
                print(value, sorted(locals()))
        for what in ("value", "stop", "int"):
            try: asyncio.run(main(what))
            except Exception: traceback.print_exc()
        """,
        3,
    ),
    "the chain of exceptions with causes, contexts and notes": (
        """
        async def main():
            try:
                async with M(exit=KeyError("exit")):
                    try: 1 / 0
                    except ZeroDivisionError as error:
                        error.add_note("a note")
                        raise ValueError("body") from error
            except KeyError as error:
                print(repr(error.__context__), repr(error.__context__.__cause__),
                      error.__context__.__cause__.__notes__, error.__cause__)
                async with M("inside"):
                    print(sys.exception() is error)
                traceback.print_exc()
        asyncio.run(main())
        """,
        2,
    ),
    "every way out of the body": (
        """
        async def returning():
            async with M("r"):
                return sys._getframe().f_lineno
        async def looping():
            for i in range(4):
                async with M(str(i)) as name:
                    if i == 1: continue
                    if i == 2: break
            else: print("never")
            return name
        async def nested():
            try:
                async with M("a"):
                    try:
                        async with M("b"), M("c"):
                            return "inner"
                    finally:
                        async with M("d"): pass
            finally:
                print("finally")
        async def main():
            print(await returning(), await looping(), await nested())
        asyncio.run(main())
        """,
        8,
    ),
    "cancellation at every await, also twice and during exit": (
        """
        class Slow:
            async def __aenter__(self):
                try: await asyncio.sleep(10)
                except asyncio.CancelledError: print("enter cancelled"); raise
            async def __aexit__(self, *exc):
                print("exit", exc[0])
                try: await asyncio.sleep(10)
                except asyncio.CancelledError: print("exit cancelled"); raise
        class Leaving(Slow):
            async def __aenter__(self): pass
        async def use(manager):
            async with manager:
                print("body")
        async def main():
            for manager, times in ((Slow(), 1), (Leaving(), 1), (Leaving(), 2)):
                task = asyncio.create_task(use(manager))
                for _ in range(times):
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
                    task.cancel("stop")
                try: await task
                except asyncio.CancelledError as error: print("cancelled", error.args)
            try:
                async with asyncio.timeout(None) as deadline:
                    async with M("in time"):
                        deadline.reschedule(0)
                        await asyncio.sleep(10)
            except TimeoutError: traceback.print_exc()
        asyncio.run(main())
        """,
        5,
    ),
    "generators closed early and left to the garbage collector": (
        """
        async def numbers():
            async with M("g"):
                yield 1
                yield 2
        async def main():
            async for number in numbers(): print(number)
            generator = numbers()
            await generator.__anext__()
            await generator.aclose()
            left = numbers()
            await left.__anext__()
            del left
            gc.collect()
            for _ in range(9): await asyncio.sleep(0)
            async with contextlib.aclosing(numbers()) as closing:
                print(await closing.__anext__())
        asyncio.run(main())
        """,
        5,
    ),
    "nothing lives longer": (
        """
        class Watched(M):
            def __del__(self): print("gone", self.name)
        async def main():
            async with Watched("one") as value:
                print("body")
            print("after one")
            try:
                async with Watched("two", enter=ValueError("no")): pass
            except ValueError: print("after two")
            try:
                async with Watched("three"): raise KeyError("x")
            except KeyError: pass
            print("after three")
            gc.disable()
            gc.collect()
            async def failing():
                async with Watched("four", exit=OSError("exit")): raise KeyError("y")
            try: await failing()
            except OSError: pass
            print("garbage", gc.collect())
        asyncio.run(main())
        """,
        4,
    ),
    "context variables set by enter": (
        """
        variable = contextvars.ContextVar("variable", default="unset")
        class Setting:
            async def __aenter__(self): self.token = variable.set("set")
            async def __aexit__(self, *exc):
                print("exit sees", variable.get())
                variable.set("left")
        async def main():
            async with Setting(): print(variable.get())
            print(variable.get())
            async with contextlib.AsyncExitStack() as stack:
                await stack.enter_async_context(Setting())
                print(variable.get())
            print(variable.get())
        asyncio.run(main())
        """,
        3,
    ),
    "a debugger and a profiler": (
        """
        def trace(frame, event, arg):
            if frame.f_code.co_filename == __file__:
                events.append((frame.f_code.co_name, event, frame.f_lineno))
            else:
                files.add(frame.f_code.co_filename + " " + frame.f_code.co_name)
            return trace
        events, files = [], set()
        async def main():
            async with M("one") as one, M("two"):
                x = 1
            try:
                async with M("three"):
                    raise ValueError
            except ValueError: pass
        # The first pass meets names and places; from then on nothing but marks is left.
        asyncio.run(main())
        sys.settrace(trace)
        asyncio.run(main())
        sys.settrace(None)
        print(*events, sep="\\n")
        print([f for f in files if "asyncctx" in f])
        """,
        6,
    ),
    "jumps of a debugger": (
        """
        class Jump:
            def __init__(self, code, start, to): self.code, self.start, self.to = code, start, to
            def trace(self, frame, event, arg):
                if frame.f_code is self.code and event == "line":
                    first = self.code.co_firstlineno
                    if frame.f_lineno - first == self.start:
                        self.start = None
                        try: frame.f_lineno = first + self.to
                        except ValueError as error: print(error)
                return self.trace
        async def main(output):
            output.append(1)
            async with M():
                output.append(3)
                output.append(4)
            output.append(5)
        for start, to in ((1, 5), (3, 4), (3, 5), (1, 3), (5, 1)):
            output = []
            sys.settrace(Jump(main.__code__, start, to).trace)
            try: asyncio.run(main(output))
            except Exception as error: print(repr(error))
            finally: sys.settrace(None)
            print(start, to, output)
        """,
        None,
    ),
    "exit stacks": (
        """
        async def main():
            try:
                async with contextlib.AsyncExitStack() as stack:
                    await stack.enter_async_context(M("a", result=True))
                    b = M("b", exit=KeyError("b"))
                    await stack.enter_async_context(b)
                    print(stack._exit_callbacks[-1][1].__self__ is b)
                    stack.push_async_callback(asyncio.sleep, 0)
                    stack.push_async_exit(M("pushed"))
                    stack.enter_context(contextlib.nullcontext())
                    await stack.enter_async_context(contextlib.nullcontext(1))
                    await stack.enter_async_context(M("no", enter=ValueError("no")))
            except Exception: traceback.print_exc()
            stack = contextlib.AsyncExitStack()
            await stack.enter_async_context(M("moved"))
            print(inspect.iscoroutinefunction(stack.enter_async_context))
            await stack.pop_all().aclose()
        asyncio.run(main())
        """,
        6,
    ),
    "locks taken by hand": (
        """
        async def main():
            for lock in (asyncio.Lock(), asyncio.Semaphore(2), asyncio.BoundedSemaphore(1)):
                print(await lock.acquire(), lock.locked())
                lock.release()
                async with lock: pass
                print(inspect.iscoroutinefunction(lock.acquire), lock.acquire.__name__)
            try: asyncio.Lock().release()
            except RuntimeError: traceback.print_exc()
            condition = asyncio.Condition()
            async with condition:
                try: await asyncio.wait_for(condition.wait(), 0.01)
                except TimeoutError: print("nobody came")
            await condition.acquire()
            condition.notify_all()
            condition.release()
        asyncio.run(main())
        """,
        9,
    ),
    "the interpreter's own way to run a script": (
        """
        import atexit, multiprocessing, threading
        class Pickled: pass
        async def main():
            async with M(): pass
            print(__name__, __spec__, type(__loader__).__name__, __file__, __doc__)
            print(sys.argv, sys.path[0], sorted(k for k in globals() if not k.startswith("@")))
            print(inspect.getsource(main)[:30], pickle.loads(pickle.dumps(Pickled())).__class__)
            print(sys.meta_path, [type(h) for h in sys.path_hooks])
            print(sys.getprofile(), sys.gettrace(), globals().get("__cached__"))
        atexit.register(print, "at exit")
        asyncio.run(main())
        sys.exit(3)
        """,
        1,
    ),
    "a metaclass that sees every look-up": (
        """
        class Meta(type):
            def __getattribute__(cls, name):
                seen.append(name)
                return super().__getattribute__(name)
        seen = []
        class Seen(metaclass=Meta):
            async def __aenter__(self): return self
            async def __aexit__(self, *e): return False
        async def main():
            seen.clear()
            async with Seen(): pass
            try:
                async with Seen(): raise ValueError
            except ValueError: pass
            async with contextlib.AsyncExitStack() as stack:
                await stack.enter_async_context(Seen())
        asyncio.run(main())
        print(seen)
        """,
        4,
    ),
    "the limit of recursion": (
        """
        async def deep(n):
            async with M(str(n)) if n < 3 else contextlib.nullcontext():
                return await deep(n + 1)
        sys.setrecursionlimit(300)
        try: asyncio.run(deep(0))
        except RecursionError as error: print("recursion", error)
        async def fine():
            async with M("fine"): pass
        asyncio.run(fine())
        """,
        None,
    ),
}
"""Name -> script, to be put behind MANAGER, and how many acquisitions it has, where that is
known."""

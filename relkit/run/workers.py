"""Several runs at once, each in a process of its own.

The parent imports the machinery once and forks a child a run, so that a run has
its own working state, can be ended alone, and costs no second import. The parent
itself starts no thread. A child ends with its parent, and the kernel with the child.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import tempfile
import threading
import time
import traceback
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import IO, Any, Protocol

from relkit.errors import RelkitError
from relkit.run import publish
from relkit.run.runner import Step, find_report, rebuild_index, run_report

LAST_WORDS = 20.0  # seconds that an interrupted run has to put itself away
# From harmless to worst: what a command that ran several reports ends with.
SEVERITY = (0, 75, 2, 1)


@dataclass(frozen=True, slots=True)
class Request:
    """A report to run.

    Attributes:
        path: The parameter file.
        overrides: (name, text) pairs from the command line.
        outputs: Where to publish; the project's outputs/ if None.
    """

    path: Path
    overrides: tuple[tuple[str, str], ...] = ()
    outputs: Path | None = None

    @property
    def name(self) -> str:
        """What lines about it begin with; the report's name."""
        return f"{self.path.absolute().parent.name}-{self.path.stem}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        request: What was asked for.
        exit_code: 0 published, 1 failed, 2 wrong use, 75 busy.
        message: What went wrong; empty if it was published.
        details: Tracebacks and what libraries printed, for --traceback.
        folder: Where it was published.
        seconds: From start to end.
    """

    request: Request
    exit_code: int
    message: str = ""
    details: str = ""
    folder: Path | None = None
    seconds: float = 0.0


class Watcher(Protocol):
    """Who is told how runs go on."""

    def step(self, name: str, step: Step) -> None: ...

    def ended(self, outcome: Outcome) -> None: ...

    def tick(self) -> None:
        """Called several times a second."""


@dataclass(slots=True)
class _Child:
    request: Request
    process: Any
    ear: Connection
    log: IO[bytes]
    started: float = field(default_factory=time.monotonic)


def run_many(requests: Sequence[Request], workers: int, watcher: Watcher) -> list[Outcome]:
    """Run reports, ``workers`` at a time; one that fails stops none of the others.

    Returns:
        An outcome for each request, in their order. After an interruption (Ctrl-C,
        SIGTERM) what had not begun has an outcome too.
    """
    from relkit.run.notebook import import_machinery

    import_machinery()
    waiting = deque(requests)
    children: list[_Child] = []
    outcomes: dict[int, Outcome] = {}
    # Never written to: its end is how a child learns that its parent is gone.
    lifeline = os.pipe()
    noted: list[int] = []

    def interrupt(number: int, _: Any) -> None:
        # Noted too: raised inside a callback, Python prints the exception and goes on.
        noted.append(number)
        raise KeyboardInterrupt

    ends = [s for s in (signal.SIGTERM, signal.SIGINT) if signal.getsignal(s) != signal.SIG_IGN]
    previous = {number: signal.signal(number, interrupt) for number in ends}
    try:
        while waiting or children:
            while waiting and len(children) < workers:
                children.append(_start(waiting.popleft(), lifeline))
            _listen(children, outcomes, watcher)
            if noted:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        _end(children, outcomes, watcher)
        for request in waiting:
            _note(Outcome(request, 1, f"{request.name}: interrupted before it began"),
                  outcomes, watcher)  # fmt: skip
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        for end in lifeline:
            os.close(end)
    return [outcomes[id(request)] for request in requests]


def worst(outcomes: Sequence[Outcome]) -> int:
    """The exit code of them all: failed before wrong use before busy."""
    return max((outcome.exit_code for outcome in outcomes), key=SEVERITY.index, default=0)


def _start(request: Request, lifeline: tuple[int, int]) -> _Child:
    # Forked, so that what the parent has imported need not be imported again.
    context = multiprocessing.get_context("fork")
    ear, mouth = context.Pipe(duplex=False)
    log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the child
    process = context.Process(target=_child, args=(request, mouth, lifeline, log.fileno()))
    process.start()
    mouth.close()
    return _Child(request, process, ear, log)


def _listen(children: list[_Child], outcomes: dict[int, Outcome], watcher: Watcher) -> None:
    """Take in what children say for a moment; note those that have ended."""
    for ear in wait([child.ear for child in children], timeout=0.1):
        child = next(child for child in children if child.ear is ear)
        try:
            said = child.ear.recv()
        except (EOFError, OSError):
            said = None
        if isinstance(said, Step):
            watcher.step(child.request.name, said)
            continue
        children.remove(child)
        _note(_outcome(child, said), outcomes, watcher)
    watcher.tick()


def _note(outcome: Outcome, outcomes: dict[int, Outcome], watcher: Watcher) -> None:
    outcomes[id(outcome.request)] = outcome
    watcher.ended(outcome)


def _outcome(child: _Child, said: Any) -> Outcome:
    """What a child ended with; a child without last words was killed."""
    child.process.join()
    child.ear.close()
    child.log.seek(0)
    printed = child.log.read().decode(errors="replace").strip()
    child.log.close()
    seconds = time.monotonic() - child.started
    if said is None:
        code = child.process.exitcode or 0
        how = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
        message = f"{child.request.name}: the run {how}; nothing was published"
        _tidy(child.request)
        return Outcome(child.request, 1, message, printed, None, seconds)
    exit_code, message, details, folder = said
    together = "\n".join(part for part in (details, printed) if part)
    return Outcome(child.request, exit_code, message, together, folder, seconds)


def _tidy(request: Request) -> None:
    """Put away what a killed run left; if it cannot be done now, the next run does it."""
    with contextlib.suppress(RelkitError, OSError):
        file = find_report(request.path)
        place = publish.Outputs((request.outputs or file.root / "outputs").absolute())
        with place.lock(file.name):
            publish.recover(place, file.name)
            rebuild_index(place)


def _end(children: list[_Child], outcomes: dict[int, Outcome], watcher: Watcher) -> None:
    """Ask every child to stop, and make those that do not."""
    for child in children:
        child.process.terminate()
    until = time.monotonic() + LAST_WORDS
    while children:
        if time.monotonic() > until:
            for child in children:
                child.process.kill()
        # Whoever presses Ctrl-C twice still gets kernels and folders put away.
        with contextlib.suppress(KeyboardInterrupt):
            _listen(children, outcomes, watcher)


def _interrupt_once(*_: Any) -> None:
    signal.signal(signal.SIGTERM, lambda *_: None)
    raise KeyboardInterrupt


def _child(request: Request, mouth: Connection, lifeline: tuple[int, int], log: int) -> None:
    """One run in a process of its own; says its steps, then its end."""
    os.close(lifeline[1])
    threading.Thread(target=_end_with_parent, args=(lifeline[0],), daemon=True).start()
    # Ctrl-C reaches the whole group; the parent alone decides, by SIGTERM.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, _interrupt_once)
    for stream in (1, 2):
        os.dup2(log, stream)
    try:
        _, folder = run_report(request.path, request.overrides, request.outputs, mouth.send)
        mouth.send((0, "", "", folder))
    except RelkitError as error:
        notes = getattr(error, "__notes__", None)
        details = "\n".join(notes) if notes else traceback.format_exc()
        mouth.send((error.exit_code, str(error), details, None))
    except KeyboardInterrupt:
        mouth.send((1, f"{request.name}: interrupted; nothing was published", "", None))
    except Exception as error:
        message = (
            f"{request.name}: relkit itself failed with {type(error).__name__}: {error}; "
            "run again with --traceback, and report it"
        )
        mouth.send((1, message, traceback.format_exc(), None))


def _end_with_parent(lifeline: int) -> None:
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGKILL)

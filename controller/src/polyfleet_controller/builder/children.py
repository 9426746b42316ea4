"""Podman's processes: their output line by line, and all of them ended at once."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from polyfleet_controller.builder.steps import end_step
from polyfleet_shared.errors import PolyfleetError

_PATIENCE_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.2


class BuilderError(PolyfleetError):
    """What Podman could not do, with the next step."""


class Children:
    """Runs programs, each in a process group of its own. Threads may share it."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = {**os.environ, **(environment or {})}
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    @property
    def stopped(self) -> bool:
        return self._stopped

    def run(self, command: Sequence[str], tell: Callable[[str], None]) -> int:
        """Run a program to its end and tell each line that it prints; give the exit code.

        Raises:
            BuilderError: it cannot be started, or all was stopped.
        """
        with self._running_process(command, errors=subprocess.STDOUT) as process:
            for line in process.stdout or ():
                tell(line.rstrip("\n"))
        return process.returncode

    def ask(self, command: Sequence[str]) -> str:
        """Run a program to its end and give what it printed, less its messages.

        Raises:
            BuilderError: it cannot be started, or failed; the text has the last of its messages.
        """
        with self._running_process(command, errors=subprocess.PIPE) as process:
            output, messages = process.communicate()
        if process.returncode != 0:
            said = "; ".join(messages.splitlines()[-3:]) or "nothing"
            raise BuilderError(
                f"`{' '.join(command)}` failed with exit code {process.returncode} and said: {said}"
            )
        return output.strip()

    def stop(self) -> None:
        """End all that runs, in good order where that does not take long. Nothing more is started."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while any(process.poll() is None for process in running) and time.monotonic() < deadline:
            for process in running:
                end_step(process.pid)
            time.sleep(_LOOK_SECONDS)
        for process in running:
            _signal(process, signal.SIGTERM)
        for process in running:
            try:
                process.wait(_PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)

    @contextlib.contextmanager
    def _running_process(self, command: Sequence[str], *, errors: int) -> Iterator["subprocess.Popen[str]"]:
        process = self._start(command, errors)
        try:
            with process:
                yield process
        finally:
            with self._lock:
                self._running.discard(process)

    def _start(self, command: Sequence[str], errors: int) -> "subprocess.Popen[str]":
        with self._lock:
            if self._stopped:
                raise BuilderError("interrupted")
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                    errors="replace",
                    env=self._environment,
                    start_new_session=True,
                )
            except FileNotFoundError:
                raise BuilderError(
                    f"there is no {command[0]} on PATH: apt-get install {command[0]}"
                ) from None
            except OSError as error:
                raise BuilderError(f"{command[0]} cannot be run: {error.strerror}") from None
            self._running.add(process)
            return process


def _signal(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    if process.poll() is None:
        os.killpg(process.pid, number)

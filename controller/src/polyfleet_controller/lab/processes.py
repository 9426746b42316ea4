"""A child process with a log file, which never outlives the process that started it."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from polyfleet_controller.lab.deadlines import wait_until
from polyfleet_controller.lab.errors import LabError

LOG_TAIL_CHARACTERS = 2000

# The kernel sends a child its parent-death signal when the *thread* that forked it ends (prctl(2),
# PR_SET_PDEATHSIG). So all children are forked by one thread, which ends with the process.
_forker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lab-forker")


def search_path() -> str:
    """Return PATH with the directories of administration programs, which `su` leaves out."""
    directories = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(dict.fromkeys([*directories, "/usr/sbin", "/sbin"]))


# setpriv, because a preexec_fn is unsafe in a process with threads; the shell, because no signal comes from
# an owner that was dead before it was asked for. The program and its arguments are the shell's parameters.
_TIED_TO_OWNER = ("setpriv", "--pdeathsig=KILL", "--", "sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"')


class ChildProcess:
    """A program that runs in a process group of its own, with its output in a file."""

    def __init__(self, process: subprocess.Popen[bytes], *, command: Sequence[str], log: Path) -> None:
        self._process = process
        self._command = " ".join(command)
        self.log = log

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> Self:
        """Start a program; its output is appended to `log`.

        `environment` adds to this process's own; `directory` is its working directory, if not this one's.
        A program that does not exist ends with exit code 127.

        Raises:
            LabError: the log cannot be written.
        """
        process = _forker.submit(_fork, command, log, environment or {}, directory).result()
        return cls(process, command=command, log=log)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative for the signal that ended it."""
        return self._process.poll()

    def wait(self, *, seconds: float) -> int:
        """Wait for the end and return the exit code.

        Raises:
            LabError: it still runs after `seconds`.
        """
        try:
            return self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{self._describe()} still runs after {seconds:g} s") from error

    def wait_until_ready(self, ready: Callable[[], bool], *, seconds: float = 20) -> None:
        """Wait until the probe says that the program serves.

        Raises:
            LabError: it ended instead, or was not ready in time; the message has the end of its log.
        """
        reached = wait_until(lambda: not self.alive or ready(), seconds=seconds)
        if not self.alive:
            raise LabError(f"{self._describe()} ended with exit code {self.exit_code}:\n{self.log_tail()}")
        if not reached:
            raise LabError(f"{self._describe()} was not ready after {seconds:g} s:\n{self.log_tail()}")

    def stop(self, *, seconds: float = 10) -> None:
        """Ask the process group to end, and kill it if it has not after `seconds`. Idempotent."""
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the process group with SIGKILL. Idempotent."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def log_tail(self) -> str:
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return text[-LOG_TAIL_CHARACTERS:].strip()

    def _signal(self, number: signal.Signals) -> None:
        # Once reaped, the number may belong to somebody else.
        if self.alive:
            os.killpg(self.pid, number)

    def _describe(self) -> str:
        return f"`{self._command}` (process {self.pid}, log {self.log})"


def _fork(
    command: Sequence[str], log: Path, environment: Mapping[str, str], directory: Path | None
) -> subprocess.Popen[bytes]:
    try:
        with log.open("ab") as output:
            return subprocess.Popen(
                [*_TIED_TO_OWNER, str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_extend(environment),
                cwd=directory,
                start_new_session=True,
            )
    except OSError as error:
        raise LabError(f"cannot start `{command[0]}`: {error}") from error


def _extend(environment: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, "PATH": search_path(), **environment}


def run(command: Sequence[str], *, environment: Mapping[str, str] | None = None, seconds: float = 60) -> str:
    """Run a program to its end and return what it printed to standard output.

    Raises:
        LabError: it does not exist, failed, or took longer than `seconds`; the message has its error output.
    """
    try:
        completed = subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            timeout=seconds,
            env=_extend(environment or {}),
        )
    except OSError as error:
        raise LabError(f"cannot start `{command[0]}`: {error}") from error
    except subprocess.CalledProcessError as error:
        raise LabError(
            f"`{' '.join(command)}` failed with exit code {error.returncode}: {error.stderr.strip()}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"`{' '.join(command)}` did not end within {seconds:g} s") from error
    return completed.stdout

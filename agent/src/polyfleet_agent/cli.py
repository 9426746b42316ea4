"""`polyfleet-agent run` and `polyfleet-agent status`. Argparse: anything larger costs memory on a device."""

import argparse
import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Final

from polyfleet_agent import __version__
from polyfleet_agent.config import DEFAULT_PATH, AgentConfig, ConfigurationError, load_config
from polyfleet_agent.status import (
    AgentStatus,
    StatusUnavailableError,
    is_running,
    read_status,
)
from polyfleet_shared.codec import encode
from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.json_text import dump_json
from polyfleet_shared.messages import Phase, WorkloadReport
from polyfleet_shared.reasons import Reason, explain

EXIT_FAILED: Final = 1
EXIT_CONFIGURATION: Final = 255  # systemd does not start it again: RestartPreventExitStatus

_EPILOG: Final = """\
examples:
  polyfleet-agent run                        as systemd does, by /etc/polyfleet/agent.toml
  polyfleet-agent run --config ./agent.toml  by another configuration
  polyfleet-agent status                     what runs on this device, and why something does not
  polyfleet-agent status -o json | jq .workloads
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 well, 1 failed, 2 wrong usage, 255 wrong configuration."""
    options = _parser().parse_args(arguments)
    try:
        config = load_config(options.config or DEFAULT_PATH, required=options.config is not None)
    except ConfigurationError as error:
        sys.stderr.write(f"polyfleet-agent: {error}\n")
        return EXIT_CONFIGURATION
    if options.command == "status":
        return _show_status(config, as_json=options.output == "json")
    return _run(config)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="polyfleet-agent",
        description="Runs what the fleet's controller wants on this device, and says what really runs.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"polyfleet-agent {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run the agent until it is told to stop")
    status = commands.add_parser("status", help="show what the agent on this device does")
    for command in (run, status):
        command.add_argument(
            "--config", type=Path, metavar="FILE", help=f"configuration (default: {DEFAULT_PATH})"
        )
    status.add_argument("-o", "--output", choices=("text", "json"), default="text", help="form of the answer")
    return parser


def _run(config: AgentConfig) -> int:
    logging.basicConfig(
        stream=sys.stderr, level=config.log.level.upper(), format="%(levelname)s %(name)s: %(message)s"
    )
    # The client libraries are this agent's largest part: `status` and `--help` do without them.
    from polyfleet_agent.bootstrap import run_agent  # noqa: PLC0415

    try:
        run_agent(config)
    except PolyfleetError as error:
        sys.stderr.write(f"polyfleet-agent: {error}\n")
        return EXIT_FAILED
    return 0


def _show_status(config: AgentConfig, *, as_json: bool) -> int:
    try:
        status = read_status(Path(config.state.status))
    except StatusUnavailableError as error:
        sys.stderr.write(f"polyfleet-agent: {error}\n")
        return EXIT_FAILED
    running = is_running(status)
    if as_json:
        sys.stdout.write(dump_json({**encode(status), "running": running}).decode() + "\n")
    else:
        sys.stdout.write(format_status(status, running=running, now=datetime.now(tz=UTC)))
    return 0 if running else EXIT_FAILED


def format_status(status: AgentStatus, *, running: bool, now: datetime) -> str:
    """The status as a page of text for a person at the device."""
    age = max(0, int((now - status.updated_at).total_seconds()))
    agent = f"running (process {status.pid})" if running else "NOT RUNNING; this is what it said last"
    broker = "connected" if status.connected else f"NOT CONNECTED: {status.broker_problem}"
    observed = status.observed
    document = "none yet" if observed is None else f"epoch {observed.epoch}, generation {observed.generation}"
    lines = [
        f"device      {status.device}",
        *_format_platforms(status),
        f"agent       {status.agent_version}, {agent}, last change {age} s ago",
        f"broker      {status.broker}  {broker}",
        f"document    {document}",
        f"events      {status.unacknowledged_events} not yet acknowledged by the controller",
    ]
    for condition in status.conditions:
        lines += ["", f"PROBLEM     {condition.reason}", *_why(condition.reason, condition.message)]
    if not status.workloads:
        lines += ["", "No workloads."]
    for workload in status.workloads:
        lines += ["", *_format_workload(workload)]
    return "\n".join(lines) + "\n"


def _format_platforms(status: AgentStatus) -> list[str]:
    """The device's own with how it was found, then what else it runs, a line for each way it was found."""
    native = next((each.found for each in status.platforms if each.platform == status.platform), "")
    source = f"{status.platform_source}: {native}" if native else str(status.platform_source)
    lines = [f"platform    {status.platform}  {source}"]
    others = (each for each in status.platforms if each.platform != status.platform)
    for (fit, found), entries in groupby(others, key=lambda each: (each.fit, each.found)):
        names = ", ".join(str(entry.platform) for entry in entries)
        lines.append(f"  also runs {names}  {fit}: {found}")
    return lines


def _format_workload(workload: WorkloadReport) -> list[str]:
    name = f"{workload.namespace}/{workload.name}" if workload.name else workload.uid
    head = f"workload    {name}  {workload.phase}"
    if workload.restarts:
        head += f", restarted {workload.restarts} times"
    if workload.pull is not None:
        head += f", {workload.pull.done} of {workload.pull.total} bytes pulled"
    lines = [head]
    if workload.phase is Phase.ROLLED_BACK:
        lines += _format_return(workload)
    if workload.reason is not None:
        lines += [f"  reason    {workload.reason}", *_why(workload.reason, workload.message)]
    elif workload.message:
        lines.append(f"  details   {workload.message}")
    for container in workload.containers:
        state = "runs" if container.running else f"ended ({container.exit_code})"
        proof = container.child or "not proven to be the wanted image"
        lines.append(f"  container {container.container_id[:12]}  {state}  {proof}")
    return lines


def _format_return(workload: WorkloadReport) -> list[str]:
    failed = f"{workload.release} failed here and is not tried again"
    if workload.fallback:
        return [f"  back to   {workload.fallback}, which runs: {failed}"]
    return [f"  back to   nothing that runs: {failed}"]


def _why(reason: Reason, message: str) -> list[str]:
    explanation = explain(reason)
    lines = [f"  what      {explanation.sentence}", f"  next      {explanation.next_step}"]
    return [*lines, f"  details   {message}"] if message else lines


if __name__ == "__main__":
    sys.exit(main())

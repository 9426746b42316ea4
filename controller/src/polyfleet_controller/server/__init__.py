"""`polyfleet-controller`: the process that everything of the controller runs in."""

import os
import sys
from typing import Final

from polyfleet_controller.server.config import (
    BrokerConfigOptions,
    ConfigurationError,
    ServeOptions,
    read_options,
)
from polyfleet_shared.errors import PolyfleetError

_FAILED: Final = 1
# systemd's own for a unit that cannot be started as it is (systemd.exec(5)); not worth a restart.
_MISCONFIGURED: Final = 255


def main() -> None:
    """Run the command on the command line, and exit with its code."""
    try:
        options = read_options(sys.argv[1:], os.environ)
        match options:
            case ServeOptions():
                from polyfleet_controller.server.process import serve  # noqa: PLC0415 - `--help` needs no database

                serve(options)
            case BrokerConfigOptions():
                from polyfleet_controller.server.brokerconfig import print_broker_config  # noqa: PLC0415 - the same

                print_broker_config(options)
    except ConfigurationError as error:
        sys.exit(_complain(error, _MISCONFIGURED))
    except PolyfleetError as error:
        sys.exit(_complain(error, _FAILED))


def _complain(error: PolyfleetError, code: int) -> int:
    sys.stderr.write(f"polyfleet-controller: {error}\n")
    return code

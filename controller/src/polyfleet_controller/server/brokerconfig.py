"""`polyfleet-controller broker-config`: for whoever runs Mosquitto themselves."""

import sys

from polyfleet_controller.server.config import BrokerConfigOptions
from polyfleet_controller.transport.mosquitto import (
    ACCESS_FILE,
    CONTROLLER_USER,
    PASSWORD_FILE,
    render_access_list,
    render_configuration,
)


def print_broker_config(options: BrokerConfigOptions) -> None:
    """Print the configuration, with the steps that it needs, or the access list."""
    if options.access_list:
        sys.stdout.write(render_access_list())
        return
    directory = options.directory
    sys.stdout.write(
        f"# Once, as root, with Mosquitto's own account as the owner of {directory}:\n"
        f"#   polyfleet-controller broker-config --acl > {directory}/{ACCESS_FILE}\n"
        f"#   mosquitto_passwd -c {directory}/{PASSWORD_FILE} {CONTROLLER_USER}\n"
        f"# Then: polyfleet-controller serve --broker {options.listen} --broker-username {CONTROLLER_USER}"
        " --broker-password-file FILE\n\n"
    )
    sys.stdout.write(
        render_configuration(host=options.listen.host, port=options.listen.port, directory=directory)
    )

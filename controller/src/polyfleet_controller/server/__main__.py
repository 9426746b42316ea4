"""`python -m polyfleet_controller.server`: the same as `polyfleet-controller`."""

from polyfleet_controller.server import main

main()

"""The parts of the world that the agent touches: broker, Podman, disk, systemd, host."""

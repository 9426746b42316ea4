"""A fleet on one machine, of real parts: registry, broker, devices with a Podman and a network of their own.

`polyfleet demo` and the tests are built on it. Everything listens on loopback; what is started here is
removed here, also when the process that started it is killed.
"""

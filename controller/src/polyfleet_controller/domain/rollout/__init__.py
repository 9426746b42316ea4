"""How a workload's devices come to a new release: in waves, each platform by itself. Pure."""

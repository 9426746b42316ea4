"""The pure core: events in, actions out. No clock, no random, no I/O, no logging."""

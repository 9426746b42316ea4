"""Which platforms a machine can run, best first, from what its kernel and its userland say."""

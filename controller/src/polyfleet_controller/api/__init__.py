"""The HTTP API, `/v1`: what operators, the command line and the pages speak with the controller."""

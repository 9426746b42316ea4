"""Builds and pushes images of many platforms with Podman."""

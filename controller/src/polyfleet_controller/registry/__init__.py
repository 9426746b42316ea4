"""Asks image registries (OCI distribution-spec)."""

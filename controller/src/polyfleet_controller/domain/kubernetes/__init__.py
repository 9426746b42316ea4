"""Kubernetes manifests as they are: Pod, Deployment, DaemonSet, read as our Workload, written from it."""

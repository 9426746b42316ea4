"""Where a workload runs: filters say where it can, scorers where it does best."""

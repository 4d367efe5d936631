"""Floor 5: the steps as Prefect tasks: retries, timeouts, names; thin."""

"""Floor between pipeline and tasks: what tasks, control, workers and deployments share about Prefect."""

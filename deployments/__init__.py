"""Floor 8: pools, queues and deployments, as prefect.yaml says, applied to a Prefect server."""

"""Where clients find things: the paths that answers and webhooks name."""

from __future__ import annotations

API = "/api/v1"


def job_path(job_id: str) -> str:
    """A job."""
    return f"{API}/jobs/{job_id}"


def results_path(job_id: str) -> str:
    """What came of a job."""
    return f"{API}/results/{job_id}"

"""What a pool of our type says about its runs: nothing can be set, since no process or container is made for them."""

from __future__ import annotations

from typing import Any

TEMPLATE: dict[str, Any] = {
    # Prefect takes no template whose configuration is empty.
    "job_configuration": {"labels": {}},
    "variables": {"type": "object", "properties": {}},
}

"""Whose work pool it is.

Two installations that meet at one Prefect server by mistake (a port that another one took, a URL that was copied) would
run each other's jobs, and know none of them. So a pool carries the identity of the installation that made it, as the
default of a variable of its template, and nobody else submits to it or serves it.
"""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import WorkPool

from speech.errors import SpeechError

_VARIABLE = "installation"


class ForeignPool(SpeechError):
    """The work pool belongs to another installation."""

    code = "foreign_pool"


def template(identity: str | None = None) -> dict[str, Any]:
    """What a pool of our type says of its runs: nothing can be set, since no process or container is made for them."""
    variable = {"type": "string", "title": "Installation", "description": "Whose pool it is.", "default": identity}
    return {
        # Prefect takes no template whose configuration is empty.
        "job_configuration": {"labels": {}},
        "variables": {"type": "object", "properties": {_VARIABLE: variable} if identity else {}},
    }


def owner_of(pool: WorkPool) -> str | None:
    """The installation that made the pool; None when it was made by hand."""
    properties = pool.base_job_template.get("variables", {}).get("properties", {})
    found = properties.get(_VARIABLE, {}).get("default")
    return found if isinstance(found, str) else None


def check_owner(pool: WorkPool, identity: str) -> None:
    """Let pools of this installation pass, and those of nobody.

    Raises:
        ForeignPool: when another installation made it.

    """
    if owner_of(pool) not in (None, identity):
        raise ForeignPool(
            f"The work pool {pool.name!r} on this Prefect server belongs to another installation, with a database of "
            "its own. Mend WOA_PREFECT_API_URL or WOA_PREFECT_PORT, or name another pool in WOA_WORK_POOL."
        )

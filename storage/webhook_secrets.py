"""What webhooks are signed with: a secret of each owner, and for a while the one before it.

Secrets have the form of Standard Webhooks (https://www.standardwebhooks.com): ``whsec_`` and 32 random bytes in base64.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.clock import now
from storage.database import Database
from storage.errors import Missing
from storage.ids import new_id
from storage.tables import owners, webhook_secrets

PREFIX = "whsec_"


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """A secret without itself. It signs until ``retires_at``, when that is set, or until it is revoked."""

    secret_id: str
    owner_id: str
    created_at: datetime
    retires_at: datetime | None = None
    revoked_at: datetime | None = None


class WebhookSecrets:
    """The signing secrets of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def make(self, owner_id: str, overlap: float | None) -> tuple[WebhookSecret, str]:
        """A new secret, told once. Missing(owner_not_found).

        Those before it go on signing for ``overlap`` seconds; None: until they are revoked.
        """
        moment = now()
        async with self._database.writing() as connection:
            await _hold_owner(connection, owner_id)
            if overlap is not None:
                until = moment + timedelta(seconds=overlap)
                staying = _signing(owner_id, moment) & webhook_secrets.c.retires_at.is_(None)
                await connection.execute(update(webhook_secrets).where(staying).values(retires_at=until))
            return await _make(connection, owner_id, moment)

    async def signing(self, owner_id: str) -> list[str]:
        """The secrets that sign now, the newest first; one is made when the owner has none."""
        async with self._database.reading() as connection:
            found = await _read(connection, owner_id)
        if found:
            return found
        async with self._database.writing() as connection:
            await _hold_owner(connection, owner_id)
            return await _read(connection, owner_id) or [(await _make(connection, owner_id, now()))[1]]

    async def list(self, owner_id: str) -> list[WebhookSecret]:
        """All of the owner's, revoked ones too, the oldest first; never the secrets themselves."""
        query = select(webhook_secrets).where(webhook_secrets.c.owner_id == owner_id)
        order = (webhook_secrets.c.created_at, webhook_secrets.c.secret_id)
        async with self._database.reading() as connection:
            rows = (await connection.execute(query.order_by(*order))).mappings().all()
        return [WebhookSecret(**{name: row[name] for name in WebhookSecret.__dataclass_fields__}) for row in rows]

    async def revoke(self, owner_id: str, secret_id: str) -> None:
        """Sign nothing with it from now on; again: nothing. Missing(secret_not_found)."""
        mine = and_(webhook_secrets.c.secret_id == secret_id, webhook_secrets.c.owner_id == owner_id)
        async with self._database.writing() as connection:
            if (await connection.execute(select(webhook_secrets.c.secret_id).where(mine))).first() is None:
                raise Missing(f"There is no webhook secret {secret_id}.", "secret_not_found")
            valid = mine & webhook_secrets.c.revoked_at.is_(None)
            # What it was is of no use to anybody any more.
            await connection.execute(update(webhook_secrets).where(valid).values(revoked_at=now(), secret=""))


async def _hold_owner(connection: AsyncConnection, owner_id: str) -> None:
    """So that two who find no secret do not make two."""
    held = select(owners.c.owner_id).where(owners.c.owner_id == owner_id).with_for_update(key_share=True)
    if (await connection.execute(held)).first() is None:
        raise Missing(f"There is no owner {owner_id}.", "owner_not_found")


async def _read(connection: AsyncConnection, owner_id: str) -> list[str]:
    query = select(webhook_secrets.c.secret).where(_signing(owner_id, now()))
    newest_first = query.order_by(webhook_secrets.c.created_at.desc(), webhook_secrets.c.secret_id.desc())
    return list((await connection.execute(newest_first)).scalars())


async def _make(connection: AsyncConnection, owner_id: str, moment: datetime) -> tuple[WebhookSecret, str]:
    plain = PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
    made = WebhookSecret(new_id(), owner_id, moment)
    values = {"secret_id": made.secret_id, "owner_id": owner_id, "secret": plain, "created_at": moment}
    await connection.execute(insert(webhook_secrets).values(values))
    return made, plain


def _signing(owner_id: str, moment: datetime) -> ColumnElement[bool]:
    return and_(
        webhook_secrets.c.owner_id == owner_id,
        webhook_secrets.c.revoked_at.is_(None),
        or_(webhook_secrets.c.retires_at.is_(None), webhook_secrets.c.retires_at > moment),
    )

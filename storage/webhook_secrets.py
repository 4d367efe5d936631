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
from storage.owners import hold_owner
from storage.paging import read_page
from storage.tables import webhook_secrets

PREFIX = "whsec_"
MOST_AT_ONCE = 5
"""Secrets of an owner that sign: every message carries a signature of each of them."""


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """A secret without itself. It signs until ``retires_at``, when that is set, or until it is revoked."""

    secret_id: str
    owner_id: str
    created_at: datetime
    retires_at: datetime | None = None
    revoked_at: datetime | None = None


_SHOWN = tuple(WebhookSecret.__dataclass_fields__)


class WebhookSecrets:
    """The signing secrets of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def make(self, owner_id: str, overlap: float | None) -> tuple[WebhookSecret, str]:
        """A new secret, told once. Missing(owner_not_found).

        Those before it go on signing for ``overlap`` seconds; None: until they are revoked. Where they would be too
        many, the oldest stop at once.
        """
        moment = now()
        async with self._database.writing() as connection:
            await hold_owner(connection, owner_id)
            if overlap is not None:
                until = moment + timedelta(seconds=overlap)
                staying = _signing(owner_id, moment) & webhook_secrets.c.retires_at.is_(None)
                await connection.execute(update(webhook_secrets).where(staying).values(retires_at=until))
            await _retire_all_but(connection, owner_id, moment, MOST_AT_ONCE - 1)
            return await _make(connection, owner_id, moment)

    async def signing(self, owner_id: str) -> list[str]:
        """The secrets that sign now, the newest first; one is made when the owner has none."""
        async with self._database.reading() as connection:
            found = await _read(connection, owner_id)
        if found:
            return found
        async with self._database.writing() as connection:
            await hold_owner(connection, owner_id)
            return await _read(connection, owner_id) or [(await _make(connection, owner_id, now()))[1]]

    async def list(
        self, owner_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> tuple[list[WebhookSecret], str | None]:
        """The owner's, revoked ones too, the oldest first, and the cursor of the next page; never the secrets."""
        query = select(*(webhook_secrets.c[name] for name in _SHOWN)).where(webhook_secrets.c.owner_id == owner_id)
        async with self._database.reading() as connection:
            rows, following = await read_page(
                connection,
                query,
                webhook_secrets.c.created_at,
                webhook_secrets.c.secret_id,
                limit=limit,
                cursor=cursor,
                oldest_first=True,
            )
        return [WebhookSecret(**row) for row in rows], following

    async def revoke(self, owner_id: str, secret_id: str) -> None:
        """Sign nothing with it from now on; again: nothing. Missing(secret_not_found)."""
        mine = and_(webhook_secrets.c.secret_id == secret_id, webhook_secrets.c.owner_id == owner_id)
        async with self._database.writing() as connection:
            if (await connection.execute(select(webhook_secrets.c.secret_id).where(mine))).first() is None:
                raise Missing(f"There is no webhook secret {secret_id}.", "secret_not_found")
            valid = mine & webhook_secrets.c.revoked_at.is_(None)
            # What it was is of no use to anybody any more.
            await connection.execute(update(webhook_secrets).where(valid).values(revoked_at=now(), secret=""))


async def _read(connection: AsyncConnection, owner_id: str) -> list[str]:
    query = select(webhook_secrets.c.secret).where(_signing(owner_id, now()))
    newest_first = query.order_by(webhook_secrets.c.created_at.desc(), webhook_secrets.c.secret_id.desc())
    return list((await connection.execute(newest_first)).scalars())


async def _retire_all_but(connection: AsyncConnection, owner_id: str, moment: datetime, kept: int) -> None:
    """Have only the newest so many go on signing."""
    newest_first = (webhook_secrets.c.created_at.desc(), webhook_secrets.c.secret_id.desc())
    query = select(webhook_secrets.c.secret_id).where(_signing(owner_id, moment)).order_by(*newest_first)
    too_many = (await connection.execute(query.offset(kept))).scalars().all()
    chosen = webhook_secrets.c.secret_id.in_(too_many)
    await connection.execute(update(webhook_secrets).where(chosen).values(retires_at=moment))


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

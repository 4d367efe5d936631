"""API keys: shown once, stored hashed.

The secret is 256 random bits, so nobody can guess it from its hash, and a plain SHA-256 serves: slow hashes are for
passwords that people choose. The lookup is by the hash, which tells nothing about the secret through its timing;
the comparison after it is constant-time nonetheless.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import insert, select, update

from speech.clock import now
from speech.errors import UnsupportedOption
from storage.database import Database
from storage.errors import Missing
from storage.ids import new_id
from storage.tables import api_keys, owners
from storage.upserts import insert_or_ignore

SECRET_PREFIX = "woa_"  # noqa: S105  (the beginning of every secret, no secret itself)
_OWNER = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_SHOWN = len(SECRET_PREFIX) + 6
_USE_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret; ``prefix`` is the secret's beginning, for people to tell keys apart."""

    key_id: str
    owner_id: str
    name: str
    prefix: str
    created_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


class Keys:
    """The API keys of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, owner_id: str, name: str) -> tuple[ApiKey, str]:
        """A new key and its secret, which cannot be had again; an owner that is new is made with it.

        Raises:
            UnsupportedOption: when the owner's name could not be a folder's.

        """
        if not _OWNER.fullmatch(owner_id):
            raise UnsupportedOption(
                "An owner's name has 1 to 64 small letters, digits, _ or -, and begins with a letter or digit.", "owner"
            )
        secret = SECRET_PREFIX + secrets.token_urlsafe(32)
        key = ApiKey(new_id(), owner_id, name, secret[:_SHOWN], now())
        values = {field: getattr(key, field) for field in ApiKey.__dataclass_fields__}
        async with self._database.writing() as connection:
            owner = insert_or_ignore(connection, owners).values(owner_id=owner_id, created_at=key.created_at)
            await connection.execute(owner)
            await connection.execute(insert(api_keys).values(values | {"secret_hash": _hash(secret)}))
        return key, secret

    async def verify(self, secret: str) -> ApiKey | None:
        """The key of this secret, None when there is none or it was revoked."""
        digest = _hash(secret)
        query = select(api_keys).where(api_keys.c.secret_hash == digest, api_keys.c.revoked_at.is_(None))
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).mappings().first()
        if row is None or not hmac.compare_digest(row["secret_hash"], digest):
            return None
        key = ApiKey(**{field: row[field] for field in ApiKey.__dataclass_fields__})
        await self._note_use(key)
        return key

    async def list(self, owner_id: str | None = None) -> list[ApiKey]:
        """All keys, or an owner's, revoked ones too, the oldest first."""
        query = select(api_keys).order_by(api_keys.c.created_at, api_keys.c.key_id)
        if owner_id is not None:
            query = query.where(api_keys.c.owner_id == owner_id)
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [ApiKey(**{field: row[field] for field in ApiKey.__dataclass_fields__}) for row in rows]

    async def revoke(self, key_id: str) -> None:
        """Make the key worthless from now on; again: nothing. Missing(key_not_found)."""
        async with self._database.writing() as connection:
            known = select(api_keys.c.key_id).where(api_keys.c.key_id == key_id)
            if (await connection.execute(known)).first() is None:
                raise Missing(f"There is no API key {key_id}.", "key_not_found")
            valid = (api_keys.c.key_id == key_id) & api_keys.c.revoked_at.is_(None)
            await connection.execute(update(api_keys).where(valid).values(revoked_at=now()))

    async def any(self) -> bool:
        """Whether any key was ever made: from then on every caller needs one, even when all are revoked."""
        async with self._database.reading() as connection:
            return (await connection.execute(select(api_keys.c.key_id).limit(1))).first() is not None

    async def _note_use(self, key: ApiKey) -> None:
        moment = now()
        if key.last_used_at is not None and moment - key.last_used_at < _USE_NOTED_EVERY:
            return
        async with self._database.writing(durable=False) as connection:
            used = update(api_keys).where(api_keys.c.key_id == key.key_id).values(last_used_at=moment)
            await connection.execute(used)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()

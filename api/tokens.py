"""Tokens: who may ask for what. Only digests of them are kept, so that a stolen database opens nothing."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, select

from api.settings import SCOPES
from labkit.errors import InvalidArgument, UnknownName
from labkit.store.database import TokenRow, now, reading, writing

TRUSTED_S = 1.0  # how long a token that was found good is not looked up again: so soon a revocation is everywhere
_SHAPE = re.compile(r"[0-9a-f]{8}\.[\w-]{43}", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Token:
    """What is known of a token, without the token.

    Parameters
    ----------
    scopes : tuple of str
        Of "read", "predict" and "operate".
    expires : str or None
        UTC; None for never.
    """

    id: str
    name: str
    scopes: tuple[str, ...]
    created: str
    expires: str | None
    revoked: bool

    def is_good(self) -> bool:
        """Tell whether it opens anything now."""
        return not self.revoked and (self.expires is None or self.expires > now())


class TokenStore:
    """All tokens of a lab.

    Parameters
    ----------
    engine : Engine
        The lab's database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[str, tuple[float, Token]] = {}

    def make(self, name: str, scopes: Collection[str] = SCOPES, days: float | None = None) -> str:
        """Make a token and return it; nobody can read it afterwards.

        Raises
        ------
        InvalidArgument
            If it has no scope, one that is not there, or no time to live.
        """
        if not scopes or not set(scopes) <= set(SCOPES):
            raise InvalidArgument(f"A token's scopes are among {', '.join(SCOPES)}, not {', '.join(scopes) or 'none'}.")
        if days is not None and not 0 < days <= 36_500:
            raise InvalidArgument(f"A token lives more than 0 and at most 36,500 days, not {days!r}.")
        key, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        expires = (
            None if days is None else (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="milliseconds")
        )
        row = TokenRow(
            id=key, name=name[:100], digest=_digest(secret), scopes=[scope for scope in SCOPES if scope in scopes],
            created=now(), expires=expires, revoked=False,
        )  # fmt: skip
        with writing(self._engine) as session:
            session.add(row)
        return f"{key}.{secret}"

    def recall(self, token: str) -> Token | None:
        """Return a token that was found good a moment ago, without asking the database; None if it must be asked."""
        until, known = self._known.get(_digest(token), (0.0, None))
        return known if time.monotonic() < until else None

    def check(self, token: str) -> Token | None:
        """Return what a token is; None if it opens nothing."""
        if not _SHAPE.fullmatch(token):
            return None
        digest = _digest(token)
        key, _, secret = token.partition(".")
        with reading(self._engine) as session:
            row = session.get(TokenRow, key)
        # Compared even where there is none, so that the time taken does not tell.
        same = hmac.compare_digest(_digest(secret), row.digest if row else "0" * 64)
        if row is None or not same or not (found := _token(row)).is_good():
            self._known.pop(digest, None)
            return None
        if len(self._known) > 1000:
            self._known.clear()
        lasts = TRUSTED_S
        if found.expires is not None:
            left = datetime.fromisoformat(found.expires) - datetime.now(UTC)
            lasts = min(lasts, left.total_seconds())
        self._known[digest] = time.monotonic() + lasts, found
        return found

    def list(self) -> list[Token]:
        """Return all tokens, the newest first."""
        with reading(self._engine) as session:
            return [_token(row) for row in session.scalars(select(TokenRow).order_by(TokenRow.created.desc()))]

    def revoke(self, key: str) -> Token:
        """End a token, by the id that stands before its dot; return it.

        Raises
        ------
        UnknownName
            If there is none.
        """
        with writing(self._engine) as session:
            row = session.get(TokenRow, key)
            if row is None:
                raise UnknownName(f"There is no token {key!r}. See: labkit token list")
            row.revoked = True
        self._known.clear()
        return _token(row)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _token(row: TokenRow) -> Token:
    return Token(row.id, row.name, tuple(row.scopes), row.created, row.expires, row.revoked)

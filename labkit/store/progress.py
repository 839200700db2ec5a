"""What was checked, hinted and predicted in the exercises, one row each time."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from labkit.store.database import ProgressRow, now, open_database, reading, writing


class ProgressStore:
    """Everything that the exercises of one lab have kept.

    Parameters
    ----------
    url : str
        The database.
    """

    def __init__(self, url: str) -> None:
        self._engine = open_database(url)

    def keep(self, exercise: str, kind: str, content: dict[str, Any]) -> None:
        """Keep one "check", "hint" or "prediction" of an exercise."""
        with writing(self._engine) as session:
            session.add(ProgressRow(exercise=exercise, kind=kind, content=content, created=now()))

    def list(self, kind: str | None = None, exercise: str | None = None) -> list[dict[str, Any]]:
        """Return what was kept, the oldest first: exercise, kind, content and time (UTC)."""
        query = select(ProgressRow).order_by(ProgressRow.id)
        if kind is not None:
            query = query.where(ProgressRow.kind == kind)
        if exercise is not None:
            query = query.where(ProgressRow.exercise == exercise)
        with reading(self._engine) as session:
            return [
                {"exercise": row.exercise, "kind": row.kind, "created": row.created, **row.content}
                for row in session.scalars(query)
            ]

"""A table for what exercises keep."""

from alembic import op
from sqlalchemy import JSON, Column, Integer, String

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make it."""
    texts = [Column(name, String(), nullable=False) for name in ("exercise", "kind", "created")]
    content = Column("content", JSON(), nullable=False)
    op.create_table("progress", Column("id", Integer(), primary_key=True), *texts, content)
    op.create_index("ix_progress_exercise", "progress", ["exercise"])

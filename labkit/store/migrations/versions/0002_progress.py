"""A table for what exercises keep."""

from alembic import op

from labkit.store.database import ProgressRow

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make it."""
    ProgressRow.__table__.create(op.get_bind())

"""From a table of labkit's own that named the schema to Alembic's; on PostgreSQL, 64 bits for what may be large."""

from alembic import op
from sqlalchemy import BigInteger

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Change the tables of schema 1."""
    op.drop_table("labkit_schema")
    if op.get_context().dialect.name == "postgresql":
        op.alter_column("runs", "seed", type_=BigInteger())
        op.alter_column("models", "n_bytes", type_=BigInteger())

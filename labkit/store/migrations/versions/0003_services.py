"""Tables for the services' tokens and predictions, and when a model was promoted."""

from alembic import op
from sqlalchemy import JSON, BigInteger, Boolean, Column, Double, Integer, String

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make them."""

    def text(name: str, nullable: bool = False) -> Column[str]:
        return Column(name, String(), nullable=nullable)

    op.add_column("models", text("promoted_at", nullable=True))
    op.create_table(
        "tokens", Column("id", String(), primary_key=True), text("name"), text("digest"),
        Column("scopes", JSON(), nullable=False), text("created"), text("expires", nullable=True),
        Column("revoked", Boolean(), nullable=False),
    )  # fmt: skip
    long = BigInteger().with_variant(Integer, "sqlite")
    op.create_table(
        "predictions", Column("id", long, primary_key=True), text("model"), text("created"),
        Column("flight", JSON(), nullable=False), Column("probability", Double(), nullable=False),
    )  # fmt: skip

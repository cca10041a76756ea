"""Points of faces, in versions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table; no photo has points yet."""
    op.create_table(
        "landmarks",
        sa.Column("photo_id", TEXT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("photo_sha256", TEXT, nullable=False),
        sa.Column("points", sa.LargeBinary(), nullable=False),
        sa.Column("covariance", sa.LargeBinary(), nullable=False),
        sa.Column("corrected", sa.JSON(), nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("comment", TEXT, nullable=False),
        sa.CheckConstraint("version > 0", name=op.f("ck_landmarks_version_from_1")),
        sa.CheckConstraint(
            "length(points) > 0 AND length(points) % 16 = 0 AND length(covariance) = 2 * length(points)",
            name=op.f("ck_landmarks_points_are_float64"),
        ),
        sa.ForeignKeyConstraint(
            ["photo_id"], ["photos.id"], name=op.f("fk_landmarks_photo_id_photos"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("photo_id", "version", name=op.f("pk_landmarks")),
    )

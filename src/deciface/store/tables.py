"""The tables of a workspace, version 1.

Distances, rankings and other results are not stored: they are made again from what is here.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

SCHEMA_VERSION = 1

metadata = MetaData()

meta = Table("meta", metadata, Column("key", String, primary_key=True), Column("value", String, nullable=False))

patients = Table(
    "patients",
    metadata,
    Column("id", String, primary_key=True),
    Column("sex", String, nullable=False),
    Column("country", String),
    Column("simulated", Boolean, nullable=False),
)

ancestries = Table(
    "ancestries",
    metadata,
    Column("patient_id", ForeignKey("patients.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("term", String, nullable=False),
    Column("side", String, nullable=False),
    Column("source", String, nullable=False),
)

photos = Table(
    "photos",
    metadata,
    Column("id", String, primary_key=True),
    Column("patient_id", ForeignKey("patients.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("sha256", String, nullable=False, index=True),
    Column("file_sha256", String, nullable=False),
    Column("suffix", String, nullable=False),
    Column("age_years", Float),
    Column("unaffected", Boolean, nullable=False),
)

diagnoses = Table(
    "diagnoses",
    metadata,
    Column("photo_id", ForeignKey("photos.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("disorder_id", String, nullable=False),
    Column("disorder_name", String, nullable=False),
    Column("status", String, nullable=False),
)

genes = Table(
    "genes",
    metadata,
    Column("photo_id", String, primary_key=True),
    Column("diagnosis", Integer, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("symbol", String, nullable=False),
    ForeignKeyConstraint(["photo_id", "diagnosis"], ["diagnoses.photo_id", "diagnoses.position"], ondelete="CASCADE"),
)

phenotypes = Table(
    "phenotypes",
    metadata,
    Column("photo_id", ForeignKey("photos.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("term", String, nullable=False),
    Column("state", String, nullable=False),
)

encodings = Table(
    "encodings",
    metadata,
    Column("photo_id", ForeignKey("photos.id", ondelete="CASCADE"), primary_key=True),
    Column("model", String, primary_key=True),
    Column("region", String, primary_key=True),
    Column("flip", Boolean, primary_key=True),
    Column("grey", Boolean, primary_key=True),
    Column("photo_sha256", String, nullable=False),
    Column("crop_version", String, nullable=False),
    Column("encoder_sha256", String, nullable=False),
    Column("vector", LargeBinary, nullable=False),
    CheckConstraint("length(vector) > 0 AND length(vector) % 4 = 0", name="vector_is_float32"),
    Index("encodings_by_model", "model"),
)
"""`vector` holds little-endian float32."""

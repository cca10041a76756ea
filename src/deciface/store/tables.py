"""The tables of a workspace, the same in SQLite and PostgreSQL.

Migrations (`deciface.store.migrations`) make them; a test compares what they made with what stands here. Distances,
rankings and other results are not stored: they are made again from what is here. Every list that belongs to a patient
keeps its order in `position`. Times are UTC, ISO 8601 text with microseconds, so that both engines sort and hash the
same characters.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

Text = String().with_variant(String(collation="C"), "postgresql")
"""Compared by its bytes in both engines, whatever the language of a PostgreSQL server: ids sort the same everywhere."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

meta = Table("meta", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))
"""``workspace``: random id of the workspace. ``version``: counted up by every transaction that changes what a gallery
holds; caches are keyed by it."""

users = Table(
    "users",
    metadata,
    Column("name", Text, primary_key=True),
    Column("roles", JSON, nullable=False),
    Column("site", Text, nullable=False),
    Column("created_at", Text, nullable=False),
)
"""`roles` is a list of `deciface.consent.Role` values."""

patients = Table(
    "patients",
    metadata,
    Column("id", Text, primary_key=True),
    Column("sex", Text, nullable=False),
    Column("country", Text),
    Column("country_of_birth", Text),
    Column("family", Text),
    Column("simulated", Boolean, nullable=False),
    Column("unaffected", Boolean, nullable=False),
    Column("last_seen_age", Text),
    Column("vital_status", Text, nullable=False),
    Column("case_site", Text, nullable=False),
    Column("site", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("erased", Boolean, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
    Index("ix_patients_policy", "erased", "simulated", "site", "owner"),
)
"""`case_site` is `Case.site` as the source named it; `site` and `owner` are what the policy asks for; `origin` is the
format a case came in; `erased` is true from withdrawal until the purge has removed the row."""


def _of_patient(name: str, *columns: Column[object]) -> Table:
    """A list that belongs to a patient and goes with them."""
    return Table(
        name,
        metadata,
        Column("patient_id", ForeignKey("patients.id", ondelete="CASCADE"), primary_key=True),
        Column("position", Integer, primary_key=True),
        *columns,
    )


ancestries = _of_patient(
    "ancestries",
    Column("term", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("code", Text),
)

consents = _of_patient(
    "consents",
    Column("scope", Text, nullable=False),
    Column("site", Text),
    Column("text_version", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("signer", Text, nullable=False),
    Column("signed_on", Date),
    Column("withdrawn_on", Date),
    Column("evidence", Text, nullable=False),
)

diagnoses = _of_patient(
    "diagnoses",
    Column("disorder_id", Text, nullable=False, index=True),
    Column("disorder_name", Text, nullable=False),
    Column("genes", JSON, nullable=False),
    Column("status", Text, nullable=False),
    Column("date", Date),
    Column("onset", Text),
)

phenotypes = _of_patient(
    "phenotypes",
    Column("term", Text, nullable=False, index=True),
    Column("state", Text, nullable=False),
    Column("onset", Text),
    Column("severity", Text),
    Column("modifiers", JSON, nullable=False),
    Column("label", Text, nullable=False),
)

variants = _of_patient(
    "variants",
    Column("gene", Text, nullable=False, index=True),
    Column("gene_id", Text, nullable=False),
    Column("hgvs", JSON, nullable=False),
    Column("assembly", Text, nullable=False),
    Column("chromosome", Text, nullable=False),
    Column("locus", Integer),
    Column("ref", Text, nullable=False),
    Column("alt", Text, nullable=False),
    Column("zygosity", Text, nullable=False),
    Column("acmg", Text, nullable=False),
    Column("structural_type", Text, nullable=False),
    Column("label", Text, nullable=False),
)
"""`locus` is `Variant.position`."""

references = _of_patient("publications", Column("reference", Text, nullable=False))
other_ids = _of_patient("other_ids", Column("other_id", Text, nullable=False, index=True))
as_written = _of_patient("as_written", Column("field", Text, nullable=False), Column("written", Text, nullable=False))

participants = Table(
    "participants",
    metadata,
    Column("patient_id", ForeignKey("patients.id", ondelete="CASCADE"), primary_key=True),
    Column("site", Text, nullable=False),
    Column("abnormal_appearance", Boolean),
    Column("suspected_genetic_disease", Boolean),
    Column("unable_to_cooperate", Boolean),
    Column("enrolled_on", Date),
)

photos = Table(
    "photos",
    metadata,
    Column("id", Text, primary_key=True),
    Column("patient_id", ForeignKey("patients.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("sha256", Text, nullable=False, index=True),
    Column("file_sha256", Text, index=True),
    Column("suffix", Text),
    Column("age_years", Float),
    Column("view", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("occlusions", JSON, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("replaces", Text),
    Column("created_at", Text, nullable=False),
)
"""`file_sha256` and `suffix` name the stored file; both are null for a photo of which only the description is here."""

encodings = Table(
    "encodings",
    metadata,
    Column("photo_id", ForeignKey("photos.id", ondelete="CASCADE"), primary_key=True),
    Column("model", Text, primary_key=True),
    Column("region", Text, primary_key=True),
    Column("flip", Boolean, primary_key=True),
    Column("grey", Boolean, primary_key=True),
    Column("photo_sha256", Text, nullable=False),
    Column("crop_version", Text, nullable=False),
    Column("encoder_sha256", Text, nullable=False),
    Column("vector", LargeBinary, nullable=False),
    CheckConstraint("length(vector) > 0 AND length(vector) % 4 = 0", name="vector_is_float32"),
    Index("ix_encodings_model", "model"),
)
"""`vector` holds little-endian float32. PostgreSQL has a column ``embedding halfvec`` beside it, for search in the
database; what is compared and exported is always `vector`."""

landmarks = Table(
    "landmarks",
    metadata,
    Column("photo_id", ForeignKey("photos.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("photo_sha256", Text, nullable=False),
    Column("points", LargeBinary, nullable=False),
    Column("covariance", LargeBinary, nullable=False),
    Column("corrected", JSON, nullable=False),
    Column("source", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("comment", Text, nullable=False),
    CheckConstraint("version > 0", name="version_from_1"),
    CheckConstraint(
        "length(points) > 0 AND length(points) % 16 = 0 AND length(covariance) = 2 * length(points)",
        name="points_are_float64",
    ),
)
"""Versions of a photo's face points, only ever added; the newest counts. `points` (n, 2) and `covariance` (n, 2, 2)
hold little-endian float64, photo_px; `corrected` lists template numbers moved by hand since a model placed them."""

derived = Table(
    "derived",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("path", Text, nullable=False, unique=True),
    Column("created_at", Text, nullable=False),
)
"""Files made of people: crops, heatmaps, composites, centroids, reports, exports, records of trainings. `path` is
relative to the workspace, or absolute where it was written outside."""

derived_patients = Table(
    "derived_patients",
    metadata,
    Column("derived_id", ForeignKey("derived.id", ondelete="CASCADE"), primary_key=True),
    Column("patient_id", Text, primary_key=True),
    Index("ix_derived_patients_patient_id", "patient_id"),
)
"""Whose data a file holds, with or without a photo."""

derived_from = Table(
    "derived_from",
    metadata,
    Column("derived_id", ForeignKey("derived.id", ondelete="CASCADE"), primary_key=True),
    Column("photo_id", Text, primary_key=True),
    Index("ix_derived_from_photo_id", "photo_id"),
)
"""From which photos a file was made. One that names none of a patient's photos may show any of them."""

trained_models = Table(
    "trained_models",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("withdrawn_photos", Integer, nullable=False),
)
"""Models trained on photos of this workspace. `withdrawn_photos` counts those erased since: such a model is marked."""

trained_on = Table(
    "trained_on",
    metadata,
    Column("model_sha256", ForeignKey("trained_models.sha256", ondelete="CASCADE"), primary_key=True),
    Column("photo_id", Text, primary_key=True),
    Index("ix_trained_on_photo_id", "photo_id"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("state", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("most_attempts", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("message", Text, nullable=False),
    Column("claimed_by", Text),
    Column("heartbeat_at", Text),
    Column("not_before", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("finished_at", Text),
    Column("cancel", Boolean, nullable=False),
    Index("ix_jobs_queue", "state", "not_before", "created_at"),
)

job_patients = Table(
    "job_patients",
    metadata,
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("patient_id", Text, primary_key=True),
    Index("ix_job_patients_patient_id", "patient_id"),
)
"""Whose data a job's payload holds, so that it can be erased with them."""

audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("record", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("previous_sha256", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    UniqueConstraint("sha256"),
)
"""Append-only: triggers refuse UPDATE and DELETE in both engines. Every entry hashes the one before. Ids only, never
names, so that erasure does not break the chain. `detail` is canonical JSON."""

tombstones = Table(
    "tombstones",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("subject_id", Text, primary_key=True),
    Column("photo_ids", JSON, nullable=False),
    Column("at", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("purged_at", Text),
    Column("certificate", JSON),
)
"""Who or what (`kind` ``patient`` or ``photo``) was withdrawn. Written in the transaction from which on nothing is
served; `purged_at` is null until the purge has removed everything. The same lines stand in ``withdrawn.jsonl`` beside
the database, so that a restored backup is purged again."""

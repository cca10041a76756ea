"""All tables, as they were first."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from deciface.store import audit

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Make them, with the triggers that keep the audit trail append-only."""
    dialect = op.get_bind().dialect.name
    _people()
    _findings()
    _photos()
    _records()
    if dialect == "postgresql":
        op.execute("CREATE EXTENSION IF NOT EXISTS vector")
        op.execute("ALTER TABLE encodings ADD COLUMN embedding halfvec")
    for statement in audit.triggers(dialect):
        op.get_bind().exec_driver_sql(statement)


def _people() -> None:
    op.create_table(
        "users",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("site", TEXT, nullable=False),
        sa.Column("created_at", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_users")),
    )
    op.create_table(
        "patients",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("sex", TEXT, nullable=False),
        sa.Column("country", TEXT, nullable=True),
        sa.Column("country_of_birth", TEXT, nullable=True),
        sa.Column("family", TEXT, nullable=True),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("unaffected", sa.Boolean(), nullable=False),
        sa.Column("last_seen_age", TEXT, nullable=True),
        sa.Column("vital_status", TEXT, nullable=False),
        sa.Column("case_site", TEXT, nullable=False),
        sa.Column("site", TEXT, nullable=False),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("origin", TEXT, nullable=False),
        sa.Column("erased", sa.Boolean(), nullable=False),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("changed_at", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patients")),
    )
    op.create_index("ix_patients_policy", "patients", ["erased", "simulated", "site", "owner"], unique=False)
    op.create_table(
        "ancestries",
        sa.Column("patient_id", TEXT, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("term", TEXT, nullable=False),
        sa.Column("side", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("code", TEXT, nullable=True),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_ancestries_patient_id_patients"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("patient_id", "position", name=op.f("pk_ancestries")),
    )
    op.create_table(
        "consents",
        sa.Column("patient_id", TEXT, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("scope", TEXT, nullable=False),
        sa.Column("site", TEXT, nullable=True),
        sa.Column("text_version", TEXT, nullable=False),
        sa.Column("language", TEXT, nullable=False),
        sa.Column("signer", TEXT, nullable=False),
        sa.Column("signed_on", sa.Date(), nullable=True),
        sa.Column("withdrawn_on", sa.Date(), nullable=True),
        sa.Column("evidence", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_consents_patient_id_patients"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("patient_id", "position", name=op.f("pk_consents")),
    )
    op.create_table(
        "other_ids",
        sa.Column("patient_id", TEXT, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("other_id", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_other_ids_patient_id_patients"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("patient_id", "position", name=op.f("pk_other_ids")),
    )
    op.create_index(op.f("ix_other_ids_other_id"), "other_ids", ["other_id"], unique=False)
    op.create_table(
        "as_written",
        sa.Column("patient_id", TEXT, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("field", TEXT, nullable=False),
        sa.Column("written", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_as_written_patient_id_patients"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("patient_id", "position", name=op.f("pk_as_written")),
    )
    op.create_table(
        "participants",
        sa.Column("patient_id", TEXT, nullable=False),
        sa.Column("site", TEXT, nullable=False),
        sa.Column("abnormal_appearance", sa.Boolean(), nullable=True),
        sa.Column("suspected_genetic_disease", sa.Boolean(), nullable=True),
        sa.Column("unable_to_cooperate", sa.Boolean(), nullable=True),
        sa.Column("enrolled_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_participants_patient_id_patients"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("patient_id", name=op.f("pk_participants")),
    )


def _findings() -> None:
    op.create_table(
        "diagnoses",
        sa.Column("patient_id", TEXT, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("disorder_id", TEXT, nullable=False),
        sa.Column("disorder_name", TEXT, nullable=False),
        sa.Column("genes", sa.JSON(), nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("date", sa.Date(), nullable=True),
        sa.Column("onset", TEXT, nullable=True),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_diagnoses_patient_id_patients"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("patient_id", "position", name=op.f("pk_diagnoses")),
    )
    op.create_index(op.f("ix_diagnoses_disorder_id"), "diagnoses", ["disorder_id"], unique=False)
    op.create_table(
        "phenotypes",
        sa.Column("patient_id", TEXT, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("term", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("onset", TEXT, nullable=True),
        sa.Column("severity", TEXT, nullable=True),
        sa.Column("modifiers", sa.JSON(), nullable=False),
        sa.Column("label", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_phenotypes_patient_id_patients"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("patient_id", "position", name=op.f("pk_phenotypes")),
    )
    op.create_index(op.f("ix_phenotypes_term"), "phenotypes", ["term"], unique=False)
    op.create_table(
        "variants",
        sa.Column("patient_id", TEXT, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("gene", TEXT, nullable=False),
        sa.Column("gene_id", TEXT, nullable=False),
        sa.Column("hgvs", sa.JSON(), nullable=False),
        sa.Column("assembly", TEXT, nullable=False),
        sa.Column("chromosome", TEXT, nullable=False),
        sa.Column("locus", sa.Integer(), nullable=True),
        sa.Column("ref", TEXT, nullable=False),
        sa.Column("alt", TEXT, nullable=False),
        sa.Column("zygosity", TEXT, nullable=False),
        sa.Column("acmg", TEXT, nullable=False),
        sa.Column("structural_type", TEXT, nullable=False),
        sa.Column("label", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_variants_patient_id_patients"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("patient_id", "position", name=op.f("pk_variants")),
    )
    op.create_index(op.f("ix_variants_gene"), "variants", ["gene"], unique=False)
    op.create_table(
        "publications",
        sa.Column("patient_id", TEXT, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("reference", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_publications_patient_id_patients"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("patient_id", "position", name=op.f("pk_publications")),
    )


def _photos() -> None:
    op.create_table(
        "photos",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("patient_id", TEXT, nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("file_sha256", TEXT, nullable=True),
        sa.Column("suffix", TEXT, nullable=True),
        sa.Column("age_years", sa.Float(), nullable=True),
        sa.Column("view", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("occlusions", sa.JSON(), nullable=False),
        sa.Column("file_name", TEXT, nullable=False),
        sa.Column("replaces", TEXT, nullable=True),
        sa.Column("created_at", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_photos_patient_id_patients"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_photos")),
    )
    op.create_index(op.f("ix_photos_file_sha256"), "photos", ["file_sha256"], unique=False)
    op.create_index(op.f("ix_photos_patient_id"), "photos", ["patient_id"], unique=False)
    op.create_index(op.f("ix_photos_sha256"), "photos", ["sha256"], unique=False)
    op.create_table(
        "encodings",
        sa.Column("photo_id", TEXT, nullable=False),
        sa.Column("model", TEXT, nullable=False),
        sa.Column("region", TEXT, nullable=False),
        sa.Column("flip", sa.Boolean(), nullable=False),
        sa.Column("grey", sa.Boolean(), nullable=False),
        sa.Column("photo_sha256", TEXT, nullable=False),
        sa.Column("crop_version", TEXT, nullable=False),
        sa.Column("encoder_sha256", TEXT, nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "length(vector) > 0 AND length(vector) % 4 = 0", name=op.f("ck_encodings_vector_is_float32")
        ),
        sa.ForeignKeyConstraint(
            ["photo_id"], ["photos.id"], name=op.f("fk_encodings_photo_id_photos"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("photo_id", "model", "region", "flip", "grey", name=op.f("pk_encodings")),
    )
    op.create_index("ix_encodings_model", "encodings", ["model"], unique=False)
    op.create_table(
        "derived",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("path", TEXT, nullable=False),
        sa.Column("created_at", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_derived")),
        sa.UniqueConstraint("path", name=op.f("uq_derived_path")),
    )
    op.create_table(
        "derived_from",
        sa.Column("derived_id", TEXT, nullable=False),
        sa.Column("photo_id", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["derived_id"], ["derived.id"], name=op.f("fk_derived_from_derived_id_derived"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("derived_id", "photo_id", name=op.f("pk_derived_from")),
    )
    op.create_index("ix_derived_from_photo_id", "derived_from", ["photo_id"], unique=False)
    op.create_table(
        "derived_patients",
        sa.Column("derived_id", TEXT, nullable=False),
        sa.Column("patient_id", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["derived_id"], ["derived.id"], name=op.f("fk_derived_patients_derived_id_derived"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("derived_id", "patient_id", name=op.f("pk_derived_patients")),
    )
    op.create_index("ix_derived_patients_patient_id", "derived_patients", ["patient_id"], unique=False)
    op.create_table(
        "trained_models",
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("withdrawn_photos", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_trained_models")),
    )
    op.create_table(
        "trained_on",
        sa.Column("model_sha256", TEXT, nullable=False),
        sa.Column("photo_id", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["model_sha256"],
            ["trained_models.sha256"],
            name=op.f("fk_trained_on_model_sha256_trained_models"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("model_sha256", "photo_id", name=op.f("pk_trained_on")),
    )
    op.create_index("ix_trained_on_photo_id", "trained_on", ["photo_id"], unique=False)


def _records() -> None:
    op.create_table(
        "meta",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_meta")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("most_attempts", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("message", TEXT, nullable=False),
        sa.Column("claimed_by", TEXT, nullable=True),
        sa.Column("heartbeat_at", TEXT, nullable=True),
        sa.Column("not_before", TEXT, nullable=False),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("finished_at", TEXT, nullable=True),
        sa.Column("cancel", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index("ix_jobs_queue", "jobs", ["state", "not_before", "created_at"], unique=False)
    op.create_table(
        "job_patients",
        sa.Column("job_id", TEXT, nullable=False),
        sa.Column("patient_id", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_patients_job_id_jobs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "patient_id", name=op.f("pk_job_patients")),
    )
    op.create_index("ix_job_patients_patient_id", "job_patients", ["patient_id"], unique=False)
    op.create_table(
        "audit",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("record", TEXT, nullable=False),
        sa.Column("detail", TEXT, nullable=False),
        sa.Column("previous_sha256", TEXT, nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit")),
        sa.UniqueConstraint("sha256", name=op.f("uq_audit_sha256")),
    )
    op.create_table(
        "tombstones",
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("subject_id", TEXT, nullable=False),
        sa.Column("photo_ids", sa.JSON(), nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("purged_at", TEXT, nullable=True),
        sa.Column("certificate", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("kind", "subject_id", name=op.f("pk_tombstones")),
    )

"""The columns of the case table: what an import reads and a simulated cohort writes."""

CASE_TABLE_COLUMNS = (
    "photo",
    "patient",
    "disorder",
    "disorder_name",
    "gene",
    "age_years",
    "sex",
    "ancestry",
    "country",
    "unaffected",
    "hpo",
    "simulated",
)

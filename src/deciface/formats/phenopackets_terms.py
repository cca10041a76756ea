"""Words that Phenopackets v2 uses and what they are here.

Source: phenopacket-schema.readthedocs.io (version 2.0) and the Genotype Ontology (GENO).
"""

from __future__ import annotations

from deciface.cases import Sex, VitalStatus, Zygosity

SCHEMA_VERSION = "2.0.2"
SEXES = {"FEMALE": Sex.FEMALE, "MALE": Sex.MALE, "UNKNOWN_SEX": Sex.UNKNOWN}
VITAL = {"ALIVE": VitalStatus.ALIVE, "DECEASED": VitalStatus.DECEASED, "UNKNOWN_STATUS": VitalStatus.UNKNOWN}
ZYGOSITIES = {
    "GENO:0000135": Zygosity.HETEROZYGOUS,
    "GENO:0000136": Zygosity.HOMOZYGOUS,
    "GENO:0000134": Zygosity.HEMIZYGOUS,
    "GENO:0000402": Zygosity.HETEROZYGOUS,
    "GENO:0000458": Zygosity.HETEROZYGOUS,
    "GENO:0000604": Zygosity.HEMIZYGOUS,
    "GENO:0000605": Zygosity.HEMIZYGOUS,
}
"""The first three are written; compound and simple heterozygous, hemizygous X- and Y-linked are read."""
ACMG = ("BENIGN", "LIKELY_BENIGN", "UNCERTAIN_SIGNIFICANCE", "LIKELY_PATHOGENIC", "PATHOGENIC")
CAUSING = frozenset({"PATHOGENIC", "LIKELY_PATHOGENIC"})
HUMAN = "NCBITaxon:9606"

LABELS = {
    "HP:0003577": "Congenital onset",
    "HP:0003581": "Adult onset",
    "HP:0003584": "Late onset",
    "HP:0003593": "Infantile onset",
    "HP:0003596": "Middle age onset",
    "HP:0003621": "Juvenile onset",
    "HP:0003623": "Neonatal onset",
    "HP:0011460": "Embryonal onset",
    "HP:0011461": "Fetal onset",
    "HP:0011462": "Young adult onset",
    "HP:0011463": "Childhood onset",
    "HP:0030674": "Antenatal onset",
    "HP:0034197": "Third trimester onset",
    "HP:0034198": "Second trimester onset",
    "HP:0012825": "Mild",
    "HP:0012826": "Moderate",
    "HP:0012827": "Borderline",
    "HP:0012828": "Severe",
    "HP:0012829": "Profound",
    "SO:1000029": "chromosomal_deletion",
    "SO:1000037": "chromosomal_duplication",
    "SO:1000183": "chromosome_structure_variation",
}
"""Names of onset classes, severities and structural types, which a case keeps as ids."""

RESOURCES = {
    "HP": ("hp", "human phenotype ontology", "http://purl.obolibrary.org/obo/hp.owl", "http://purl.obolibrary.org/obo/HP_"),
    "GENO": ("geno", "Genotype Ontology", "http://purl.obolibrary.org/obo/geno.owl", "http://purl.obolibrary.org/obo/GENO_"),
    "SO": ("so", "Sequence types and features ontology", "http://purl.obolibrary.org/obo/so.owl", "http://purl.obolibrary.org/obo/SO_"),
    "OMIM": ("omim", "Online Mendelian Inheritance in Man", "https://www.omim.org", "https://www.omim.org/entry/"),
    "OMIMPS": ("omimps", "OMIM phenotypic series", "https://www.omim.org", "https://www.omim.org/phenotypicSeries/PS"),
    "ORPHA": ("orpha", "Orphanet", "https://www.orpha.net", "https://www.orpha.net/en/disease/detail/"),
    "MONDO": ("mondo", "Mondo Disease Ontology", "http://purl.obolibrary.org/obo/mondo.owl", "http://purl.obolibrary.org/obo/MONDO_"),
    "HGNC": ("hgnc", "HUGO Gene Nomenclature Committee", "https://www.genenames.org", "https://www.genenames.org/data/gene-symbol-report/#!/hgnc_id/HGNC:"),
    "NCBITaxon": ("ncbitaxon", "NCBI organismal classification", "http://purl.obolibrary.org/obo/ncbitaxon.owl", "http://purl.obolibrary.org/obo/NCBITaxon_"),
    "PMID": ("pubmed", "PubMed", "https://pubmed.ncbi.nlm.nih.gov", "https://pubmed.ncbi.nlm.nih.gov/"),
    "doi": ("doi", "Digital Object Identifier", "https://doi.org", "https://doi.org/"),
}  # fmt: skip
"""By prefix: id, name, address, IRI prefix of the vocabularies a written phenopacket may use."""

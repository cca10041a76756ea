"""HPO terms by id, name and synonym, from the ontology's own file. The files are the user's; none is shipped."""

from deciface.ontology.files import OntologyFiles, default_folder
from deciface.ontology.hpo_terms import FoundTerm, HpoTerms

__all__ = ["FoundTerm", "HpoTerms", "OntologyFiles", "default_folder"]

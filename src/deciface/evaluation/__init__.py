"""How well a gallery finds disorders: protocols, leakage between test and gallery, accuracy with intervals."""

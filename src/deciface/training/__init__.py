"""Learn the models that DeciFace ships or that a site makes for itself."""

"""Statistics: arrays in, results out; knows no face."""

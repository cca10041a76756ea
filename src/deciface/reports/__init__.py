"""Reports that stand alone: one HTML file, no network, no script."""

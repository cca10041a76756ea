"""Benchmarks anyone can run: `deciface bench NAME`."""

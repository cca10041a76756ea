"""The use cases: look at a photo, encode photos, import cases, diagnose, demonstrate. The only floor that knows all."""

"""One command a file: each parses, calls one verb, and renders; what takes long to import is imported inside."""

"""A model version's files: written whole or not at all, checked when read."""

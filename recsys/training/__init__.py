"""Examples to weights."""

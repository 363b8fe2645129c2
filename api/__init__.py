"""The HTTP interface: a thin layer of routes over the rooms of recsys."""

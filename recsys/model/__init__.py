"""The torch modules of the two towers and of the ranking head; no I/O."""

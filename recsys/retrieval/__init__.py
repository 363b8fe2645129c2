"""FAISS indexes over item vectors."""

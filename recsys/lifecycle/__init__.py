"""A model's life: encode, train, evaluate, gate, promote; and the worker that keeps vectors fresh."""

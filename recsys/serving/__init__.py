"""The pipeline with its inputs and outputs: hydrate from the database, answer, log what was served."""

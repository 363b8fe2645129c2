"""Examples and a model in, figures out: metrics per impression, intervals over users, tables."""

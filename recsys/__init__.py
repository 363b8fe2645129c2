"""recsys: a news recommender from click log to HTTP answer and back to a retrained model."""

__version__ = "0.1.0"

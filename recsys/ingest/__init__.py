"""Readers: outside logs become articles, impressions and clicks; and the sample that comes with the program."""

"""The fold over the log: state at an instant, ranking features of it, and its replay over history."""

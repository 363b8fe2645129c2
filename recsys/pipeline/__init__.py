"""How an answer is made, as pure functions of state and snapshot."""

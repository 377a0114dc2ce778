"""The review in a terminal: keys, no mouse needed, every decision stored as it is made."""

"""The toy world: a small closed world with known truth, so that the program runs with no key, GPU or network."""

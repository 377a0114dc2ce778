"""The review in a browser: a page on this machine's own address, by which a human decides pair by pair."""

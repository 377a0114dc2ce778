"""The morning: what a run proposes and what a human decides about it."""

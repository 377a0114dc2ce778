"""The loop: decide, act, examine, record."""

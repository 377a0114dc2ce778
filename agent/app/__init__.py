"""What each command does; the only composition root."""

"""What the loop does to pairs."""

"""How well a judge agrees with labelled endings."""

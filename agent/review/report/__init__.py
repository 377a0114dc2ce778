"""The report of a trait's night: facts from its record, pictures of them, and one page that needs nothing else."""

"""The subject: the base model under study, run in this process."""

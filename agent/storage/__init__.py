"""What lies on disk: the ledger of one trait, and the dataset and experiment folders that users already have."""

"""The review page: a local web server on which a reviewer decides pair by pair."""

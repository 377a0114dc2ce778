"""The models the program talks to: LLM roles over an endpoint, and the subject in process."""

"""LLM client: judge, author and auditor behind OpenAI-compatible endpoints."""

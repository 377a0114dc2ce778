"""The command line: typer commands that parse options, call agent.app and print. Nothing heavy is imported here."""

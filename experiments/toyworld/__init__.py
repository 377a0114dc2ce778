"""How the bundled toy subject is made."""

"""Pictures and tables in one style."""

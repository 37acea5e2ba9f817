"""Label Studio lives here only: questions to people and their answers."""

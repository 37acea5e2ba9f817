"""What shoppers did, and what follows from it."""

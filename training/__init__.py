"""Lightning lives here only: training of the tower and of the head."""

"""Search by photo for a marketplace: the library that flows and services share."""

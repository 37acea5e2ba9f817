"""The outside world, pretended: a marketplace over HTTP, its sellers, buyers and annotators."""

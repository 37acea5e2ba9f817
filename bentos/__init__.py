"""BentoML lives here only: the HTTP service and its page."""

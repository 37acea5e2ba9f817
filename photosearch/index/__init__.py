"""Nearest neighbours over photo vectors."""

"""Cleaning: files that nobody wrote are left out, secrets and personal data replaced."""

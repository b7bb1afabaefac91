"""Answers over HTTP: transformers' own server on one model, or a front that picks base or pack before an engine."""

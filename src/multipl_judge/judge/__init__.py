"""Judging programs that a model wrote: each is compiled and run in a sandbox, and gets one typed outcome."""

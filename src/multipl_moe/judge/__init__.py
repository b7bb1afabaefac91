"""Judging programs that a model wrote: each is compiled and run in a jail, and gets one typed outcome."""

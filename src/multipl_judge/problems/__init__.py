"""Programming problems of known benchmarks, and how a completion becomes a program that tests itself."""

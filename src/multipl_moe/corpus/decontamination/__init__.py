"""Decontamination: training files that hold problems of benchmarks are found and left out."""

"""Inspection: what a corpus folder holds, gathered in one pass over its files, none of which is ever held whole."""

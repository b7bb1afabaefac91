"""Running: the stages of a build as tasks of this machine, of Ray or of Slurm, each done once."""

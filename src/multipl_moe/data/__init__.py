"""What training reads: a corpus's tokens packed into sequences, mixed by language, and windows to calibrate on."""

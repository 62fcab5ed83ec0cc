"""Building the data files and weights that the encoders load."""

"""The graph of a proof: typed operations over polynomials, scalars, points and transcripts."""

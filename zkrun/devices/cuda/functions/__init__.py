"""The functions of the table on a GPU: what is prepared before the run, and what launches them."""

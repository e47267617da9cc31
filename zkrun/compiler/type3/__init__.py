"""The chunk: registers with devices and addresses, their plan, tracks, and the program."""

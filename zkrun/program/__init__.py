"""The program: its types, instructions, functions and constants, decoded from a document. Pure data."""

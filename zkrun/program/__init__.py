"""The program: types, instructions, functions and constants, decoded from a document."""

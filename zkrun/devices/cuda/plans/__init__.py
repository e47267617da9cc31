"""How functions go about their work: sizes, launches and scratch memory, known without a GPU."""

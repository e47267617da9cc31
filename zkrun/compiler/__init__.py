"""The compiler: a proof as a graph in, a program that fits the memory there is out.

    type2/  the graph of typed operations, the interface that authors write it with, and the passes
    type3/  the chunk: instructions over registers with devices, addresses and tracks; its planning
            and its lowering to a program

Data goes one way: author's code → Type2 graph → passes → Type3 chunk → Program.
"""

"""What is derived from bars for models: indicators, features and, apart from them, labels.

Modules of this folder itself serve its three datasets: which history a value rests on (blocks.py), reading that history now or
as of a time (source.py), and working through markets in two threads (derive.py).
"""

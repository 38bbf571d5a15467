"""Exports: what is stored, as files that others read: Parquet, CSV, Arrow and Qlib's binary format.

What belongs here: which datasets there are to export, what has changed since the last time, and writing files beside a
manifest that says what they hold. What does not: when it is done (export_automation.py), options (cli/export.py), and
frozen training data (training_sets).

A dataset is cut into partitions, each of which is one file. A partition is written anew when its content has changed, and
left alone when it has not; whoever reads meanwhile finds the older file or the newer one, whole.
"""

"""What a new or changed rule would have raised over history, against the current one: the log is read by offset, judged
by the engine that the worker uses, and held against itself; nothing that runs is touched.
"""

"""Runs models, each in a process of its own.

`author` is what a model imports, `host` the worker's side, `child` the model's process, `bundled` the models that come
with the service. `frames` and `model_answers` are shared by host and child.
"""

"""Samplers and pruners of Optuna. The only package that knows it."""

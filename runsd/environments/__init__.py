"""Environments: a base image and Python requirements made into one image, once however many ask."""

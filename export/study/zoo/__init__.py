"""Exports of a zoo of architectures, each in a process of its own, and the page about them."""
